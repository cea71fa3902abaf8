variable "name" {
  description = "What the names of all resources begin with"
  type        = string
  default     = "web-tier"
}

variable "page" {
  description = "What the page says; a change is a new version of the launch template, for instances launched from then on"
  type        = string
  default     = "hello"
}
