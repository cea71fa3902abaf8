# A volume for each application server that outlives it: attached while the server runs, kept when it goes.
resource "aws_ebs_volume" "data" {
  for_each = local.zones

  availability_zone = each.key
  size              = var.data_size
  type              = "gp3"

  tags = { Name = "${var.name}-data-${each.key}" }
}

resource "aws_volume_attachment" "data" {
  for_each = local.zones

  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data[each.key].id
  instance_id = aws_instance.app[each.key].id

  # A mounted volume does not let go; one of a stopped server does.
  stop_instance_before_detaching = true
}

# What the first zone's volume holds when this is applied.
resource "aws_ebs_snapshot" "data" {
  volume_id   = aws_ebs_volume.data[keys(local.zones)[0]].id
  description = "Data of ${var.name}"

  tags = { Name = "${var.name}-data" }

  depends_on = [aws_volume_attachment.data]
}

# An image of the first zone's web server, which reboots for it, and a server from it in the second zone: what user data did
# once is in the image.
resource "aws_ami_from_instance" "web" {
  name               = "${var.name}-web"
  source_instance_id = aws_instance.web[keys(local.zones)[0]].id

  tags = { Name = "${var.name}-web" }
}

resource "aws_instance" "copy" {
  ami                    = aws_ami_from_instance.web.id
  instance_type          = "t3.micro"
  subnet_id              = aws_subnet.public[keys(local.zones)[1]].id
  vpc_security_group_ids = [aws_security_group.web.id]
  key_name               = aws_key_pair.main.key_name

  tags = { Name = "${var.name}-copy" }
}
