resource "aws_ebs_volume" "data" {
  availability_zone = data.aws_availability_zones.available.names[1]
  size              = 8
  type              = "gp3"
  iops              = 3500
  throughput        = 200
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.server.id
}

resource "aws_ebs_snapshot" "data" {
  volume_id = aws_ebs_volume.data.id
}

resource "aws_ebs_snapshot_copy" "data" {
  source_snapshot_id = aws_ebs_snapshot.data.id
  source_region      = data.aws_region.current.name
}

resource "aws_ebs_snapshot" "root" {
  volume_id = aws_instance.plain.root_block_device[0].volume_id
}

resource "aws_ami" "registered" {
  name                = "registered"
  root_device_name    = "/dev/sda1"
  virtualization_type = "hvm"
  ena_support         = true

  ebs_block_device {
    device_name = "/dev/sda1"
    snapshot_id = aws_ebs_snapshot.root.id
    volume_size = 10
  }
}

resource "aws_ami_launch_permission" "registered" {
  image_id   = aws_ami.registered.id
  account_id = "123456789012"
}

resource "aws_ami_from_instance" "server" {
  name                    = "from-server"
  source_instance_id      = aws_instance.server.id
  snapshot_without_reboot = true
}

resource "aws_ami_copy" "server" {
  name              = "copy-of-server"
  source_ami_id     = aws_ami_from_instance.server.id
  source_ami_region = data.aws_region.current.name
}

data "aws_ebs_snapshot_ids" "all" {
  owners     = ["self"]
  depends_on = [aws_ami_copy.server, aws_ami.registered]
}
