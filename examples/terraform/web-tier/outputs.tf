output "url" {
  value = "http://${aws_lb.main.dns_name}"
}

output "group" {
  value = aws_autoscaling_group.web.name
}
