data "aws_ssm_parameter" "amazon_linux" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

data "aws_ami" "ubuntu" {
  most_recent = true
  owners      = ["099720109477"]

  filter {
    name   = "name"
    values = ["ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*"]
  }
  filter {
    name   = "virtualization-type"
    values = ["hvm"]
  }
}

data "aws_ec2_instance_type" "micro" {
  instance_type = "t3.micro"
}

data "aws_ec2_instance_type_offerings" "micro" {
  location_type = "availability-zone"

  filter {
    name   = "instance-type"
    values = ["t3.micro"]
  }
}

data "aws_key_pair" "mine" {
  key_name           = aws_key_pair.mine.key_name
  include_public_key = true
}

resource "aws_key_pair" "mine" {
  key_name_prefix = "mine-"
  public_key      = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEj5B9MU2GWP+O9EORHTdmIucVHa4vLKY7kSVZcA2SxV somebody@example"
}

resource "aws_placement_group" "spread" {
  name     = "spread"
  strategy = "spread"
}

resource "aws_instance" "server" {
  ami                         = data.aws_ami.ubuntu.id
  instance_type               = data.aws_ec2_instance_type.micro.instance_type
  subnet_id                   = aws_subnet.second.id
  vpc_security_group_ids      = [aws_security_group.server.id]
  key_name                    = data.aws_key_pair.mine.key_name
  monitoring                  = true
  placement_group             = aws_placement_group.spread.id
  user_data                   = "#!/bin/sh\necho started\n"
  user_data_replace_on_change = true

  credit_specification {
    cpu_credits = "unlimited"
  }
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
    instance_metadata_tags      = "enabled"
  }
  root_block_device {
    volume_size = 12
    volume_type = "gp3"
    tags        = { Name = "root" }
  }

  tags = { Name = "server" }
}

resource "aws_launch_template" "plain" {
  name_prefix            = "plain-"
  instance_type          = "t3.nano"
  update_default_version = true

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = 10
      delete_on_termination = true
    }
  }
  metadata_options {
    http_tokens = "required"
  }
  tag_specifications {
    resource_type = "volume"
    tags          = { From = "template" }
  }
}

resource "aws_instance" "plain" {
  ami           = data.aws_ssm_parameter.amazon_linux.value
  instance_type = "t3.nano"
  subnet_id     = aws_subnet.first.id

  launch_template {
    id      = aws_launch_template.plain.id
    version = "$Latest"
  }

  lifecycle {
    # The group that `aws_network_interface_sg_attachment` adds.
    ignore_changes = [vpc_security_group_ids]
  }
}

resource "aws_ec2_instance_state" "plain" {
  instance_id = aws_instance.plain.id
  state       = "running"
}
