# Of every resource and data source that networks and instances in Terraform are usually made of, those that the examples
# leave out; each also with the arguments that a reader would expect to be read back as they were written. Without
# `aws_network_interface_attachment`: its end makes the provider wait for 150 s, here as on AWS.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

provider "aws" {}

data "aws_availability_zones" "available" {
  state = "available"
}

data "aws_region" "current" {}

# What the account has from the beginning.

data "aws_vpc" "default" {
  default = true
}

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

data "aws_subnet" "first" {
  id = sort(data.aws_subnets.default.ids)[0]
}

data "aws_security_group" "default" {
  vpc_id = data.aws_vpc.default.id
  name   = "default"
}

resource "aws_default_vpc" "adopted" {
  tags = { Name = "adopted" }
}

resource "aws_default_subnet" "adopted" {
  availability_zone = data.aws_availability_zones.available.names[0]
}

# What is found when all stands.

data "aws_instances" "running" {
  instance_state_names = ["running"]
  depends_on           = [aws_volume_attachment.data, aws_ec2_instance_state.plain]
}

data "aws_network_interfaces" "all" {
  depends_on = [aws_nat_gateway.private, aws_network_interface.second, aws_instance.plain, aws_instance.server]
}

data "aws_route_tables" "all" {
  vpc_id     = aws_vpc.this.id
  depends_on = [aws_route.to_interface, aws_route.to_gateway]
}

data "aws_nat_gateways" "all" {
  vpc_id     = aws_vpc.this.id
  depends_on = [aws_nat_gateway.private]
}

data "aws_eips" "all" {
  depends_on = [aws_eip_association.server]
}

data "aws_ebs_volumes" "all" {
  depends_on = [aws_volume_attachment.data]
}

data "aws_network_acls" "all" {
  vpc_id     = aws_vpc.this.id
  depends_on = [aws_network_acl_association.own, aws_default_network_acl.this]
}

data "aws_vpc_dhcp_options" "this" {
  dhcp_options_id = aws_vpc.this.dhcp_options_id
}

data "aws_ebs_encryption_by_default" "this" {}

output "found" {
  value = {
    instances    = length(data.aws_instances.running.ids)
    interfaces   = length(data.aws_network_interfaces.all.ids)
    route_tables = length(data.aws_route_tables.all.ids)
    nat_gateways = length(data.aws_nat_gateways.all.ids)
    eips         = length(data.aws_eips.all.allocation_ids)
    volumes      = length(data.aws_ebs_volumes.all.ids)
    network_acls = length(data.aws_network_acls.all.ids)
    dns          = data.aws_vpc_dhcp_options.this.domain_name_servers
    encrypted    = data.aws_ebs_encryption_by_default.this.enabled
  }
}
