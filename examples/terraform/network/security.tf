# Web servers: the page for everyone it is meant for, SSH for nobody but the VPC.
resource "aws_security_group" "web" {
  name_prefix = "${var.name}-web-"
  description = "Web servers"
  vpc_id      = aws_vpc.main.id

  tags = { Name = "${var.name}-web" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "web_page" {
  security_group_id = aws_security_group.web.id
  description       = "The page"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
  cidr_ipv4         = var.visitors
}

resource "aws_vpc_security_group_ingress_rule" "web_ssh" {
  security_group_id = aws_security_group.web.id
  description       = "SSH from the VPC"
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
  cidr_ipv4         = var.cidr
}

resource "aws_vpc_security_group_egress_rule" "web_anywhere" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

# Application servers: whatever is a web server may ask them, and nothing else.
resource "aws_security_group" "app" {
  name        = "${var.name}-app"
  description = "Application servers"
  vpc_id      = aws_vpc.main.id

  egress {
    description = "Anywhere"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }

  tags = { Name = "${var.name}-app" }
}

resource "aws_security_group_rule" "app_from_web" {
  security_group_id        = aws_security_group.app.id
  type                     = "ingress"
  description              = "From the web servers"
  protocol                 = "tcp"
  from_port                = 8080
  to_port                  = 8080
  source_security_group_id = aws_security_group.web.id
}
