resource "aws_key_pair" "main" {
  key_name_prefix = "${var.name}-"
  public_key      = var.public_key
}

# A web server in each zone, with a public address.
resource "aws_instance" "web" {
  for_each = local.zones

  ami                    = data.aws_ami.base.id
  instance_type          = "t3.micro"
  subnet_id              = aws_subnet.public[each.key].id
  vpc_security_group_ids = [aws_security_group.web.id]
  key_name               = aws_key_pair.main.key_name

  user_data                   = templatefile("${path.module}/user-data.sh", { port = 80, page = var.page })
  user_data_replace_on_change = true

  root_block_device {
    volume_type = "gp3"
    volume_size = 10
  }

  # Scratch space, gone with the server.
  ebs_block_device {
    device_name = "/dev/sdg"
    volume_type = "gp3"
    volume_size = 1
  }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "enabled"
  }

  tags = { Name = "${var.name}-web-${each.key}" }

  # A newer image is for servers made from then on.
  lifecycle {
    ignore_changes = [ami]
  }
}

# An application server in each zone, with a private address only.
resource "aws_instance" "app" {
  for_each = local.zones

  ami                    = data.aws_ami.base.id
  instance_type          = var.app_instance_type
  subnet_id              = aws_subnet.private[each.key].id
  vpc_security_group_ids = [aws_security_group.app.id]
  key_name               = aws_key_pair.main.key_name
  user_data              = templatefile("${path.module}/user-data.sh", { port = 8080, page = "application" })

  metadata_options {
    http_tokens            = "required"
    instance_metadata_tags = "enabled"
  }

  tags = { Name = "${var.name}-app-${each.key}" }

  # A newer image is for servers made from then on.
  lifecycle {
    ignore_changes = [ami]
  }
}
