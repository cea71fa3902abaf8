output "where" {
  value = "${data.aws_caller_identity.current.account_id} ${data.aws_region.current.name}"
}

output "pages" {
  description = "The page of each web server, by zone"
  value       = { for zone, server in aws_instance.web : zone => "http://${server.public_ip}" }
}

output "copy" {
  description = "The page of the server made of an image of another"
  value       = "http://${aws_instance.copy.public_ip}"
}

output "nat_addresses" {
  description = "The address that the internet sees of each zone's private subnet"
  value       = { for zone, gateway in aws_nat_gateway.main : zone => gateway.public_ip }
}

output "web" {
  value = { for zone, server in aws_instance.web : zone => server.id }
}

output "app" {
  value = { for zone, server in aws_instance.app : zone => { id = server.id, private_ip = server.private_ip } }
}
