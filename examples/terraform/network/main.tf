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
provider "aws" {
  default_tags {
    tags = {
      Project     = var.name
      Environment = var.environment
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

data "aws_availability_zones" "available" {
  state = "available"
}

data "aws_ami" "base" {
  most_recent = true
  owners      = ["amazon"]

  filter {
    name   = "name"
    values = [var.image_name]
  }
  filter {
    name   = "architecture"
    values = ["x86_64"]
  }
  filter {
    name   = "root-device-type"
    values = ["ebs"]
  }
}

locals {
  # The first two zones of the region, each with its number.
  zones = { for number, zone in slice(data.aws_availability_zones.available.names, 0, 2) : zone => number }
}
