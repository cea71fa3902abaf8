resource "aws_vpc" "this" {
  cidr_block           = "10.50.0.0/16"
  enable_dns_hostnames = true
}

resource "aws_vpc_ipv4_cidr_block_association" "more" {
  vpc_id     = aws_vpc.this.id
  cidr_block = "10.51.0.0/16"
}

resource "aws_subnet" "first" {
  vpc_id            = aws_vpc.this.id
  cidr_block        = "10.50.1.0/24"
  availability_zone = data.aws_availability_zones.available.names[0]
}

resource "aws_subnet" "second" {
  vpc_id                  = aws_vpc_ipv4_cidr_block_association.more.vpc_id
  cidr_block              = "10.51.1.0/24"
  availability_zone_id    = data.aws_availability_zones.available.zone_ids[1]
  map_public_ip_on_launch = true
}

resource "aws_internet_gateway" "this" {}

resource "aws_internet_gateway_attachment" "this" {
  internet_gateway_id = aws_internet_gateway.this.id
  vpc_id              = aws_vpc.this.id
}

resource "aws_route_table" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_main_route_table_association" "this" {
  vpc_id         = aws_vpc.this.id
  route_table_id = aws_route_table.this.id
}

resource "aws_nat_gateway" "private" {
  connectivity_type = "private"
  subnet_id         = aws_subnet.first.id
}

resource "aws_route" "to_gateway" {
  route_table_id         = aws_route_table.this.id
  destination_cidr_block = "192.168.0.0/16"
  nat_gateway_id         = aws_nat_gateway.private.id
}

resource "aws_route" "to_interface" {
  route_table_id         = aws_route_table.this.id
  destination_cidr_block = "192.169.0.0/16"
  network_interface_id   = aws_network_interface.second.id
}

resource "aws_default_network_acl" "this" {
  default_network_acl_id = aws_vpc.this.default_network_acl_id

  ingress {
    protocol   = -1
    rule_no    = 100
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
  egress {
    protocol   = -1
    rule_no    = 100
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }

  lifecycle {
    ignore_changes = [subnet_ids]
  }
}

resource "aws_network_acl" "own" {
  vpc_id = aws_vpc.this.id
}

resource "aws_network_acl_rule" "own" {
  network_acl_id = aws_network_acl.own.id
  rule_number    = 10
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = "0.0.0.0/0"
  from_port      = 443
  to_port        = 443
}

resource "aws_network_acl_association" "own" {
  network_acl_id = aws_network_acl.own.id
  subnet_id      = aws_subnet.first.id
}

resource "aws_default_security_group" "emptied" {
  vpc_id = aws_vpc.this.id
}

resource "aws_security_group" "server" {
  name_prefix = "server-"
  vpc_id      = aws_vpc.this.id

  ingress {
    description = "ssh"
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  ingress {
    from_port = -1
    to_port   = -1
    protocol  = "icmp"
    self      = true
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_network_interface" "second" {
  subnet_id         = aws_subnet.first.id
  private_ips_count = 2
  source_dest_check = false
  security_groups   = [aws_security_group.server.id]
}

resource "aws_network_interface_sg_attachment" "plain" {
  security_group_id    = aws_security_group.server.id
  network_interface_id = aws_instance.plain.primary_network_interface_id
}

resource "aws_eip" "server" {
  domain = "vpc"
}

resource "aws_eip_association" "server" {
  instance_id   = aws_instance.server.id
  allocation_id = aws_eip.server.id
  depends_on    = [aws_internet_gateway_attachment.this]
}
