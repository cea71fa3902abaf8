terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

# Endpoint, keys and region come from the environment: eval "$(npx holdfast env)". Nothing here is Holdfast's own.
provider "aws" {}

data "aws_availability_zones" "available" {
  state = "available"
}

data "aws_ami" "base" {
  most_recent = true
  owners      = ["amazon"]

  filter {
    name   = "name"
    values = ["debian-12-*"]
  }
}

locals {
  zones = { for number, zone in slice(data.aws_availability_zones.available.names, 0, 2) : zone => number }
}
