terraform {
  required_version = ">= 1.9"
  required_providers {
    aws    = { source = "hashicorp/aws", version = "= 5.60.0" }
    random = { source = "registry.example/hashicorp/random", version = "~> 3.6" }
    null   = "3.2.2"
  }
}

module "network" {
  source  = "terraform-aws-modules/vpc/aws"
  version = "5.8.1"
}

module "queue" {
  source  = "registry.example/team/queue/aws//modules/fifo"
  version = "~> 2.0"
}

module "own" {
  source = "./modules/own"
}

module "shared" {
  source = "git::https://git.example/team/shared.git//cluster?ref=v1.4.0"
}

module "labels" {
  source = "github.com/example/labels"
}

module "archive" {
  source = "https://files.example/module-1.2.zip"
}

resource "aws_s3_bucket" "logs" {
  bucket = "${var.name}-${replace("a}", "}", "")}"
  tags   = { for key, value in var.tags : key => upper(value) }
  policy = <<-EOT
    { "module": "not" }
  EOT
}
