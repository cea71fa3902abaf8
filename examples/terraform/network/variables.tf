variable "name" {
  description = "What the names of all resources begin with"
  type        = string
  default     = "example"
}

variable "environment" {
  description = "The tag Environment of everything"
  type        = string
  default     = "test"
}

variable "cidr" {
  description = "The VPC's addresses, a /16"
  type        = string
  default     = "10.20.0.0/16"
}

variable "visitors" {
  description = "Who may see the page"
  type        = string
  default     = "0.0.0.0/0"
}

variable "public_key" {
  description = "Your SSH public key"
  type        = string
}

variable "image_name" {
  description = "The name of the machine image, with * for what may vary; the newest is taken"
  type        = string
  default     = "debian-12-*"
}

variable "app_instance_type" {
  description = "The type of the application servers; a change stops and starts them"
  type        = string
  default     = "t3.micro"
}

variable "data_size" {
  description = "The size of each application server's data volume in GiB; it can grow while it is in use"
  type        = number
  default     = 1
}

variable "page" {
  description = "What the page says; a change replaces the web servers"
  type        = string
  default     = "hello"
}
