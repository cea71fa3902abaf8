#!/bin/bash
# Lab B1: a VPC with public and private subnets in two zones, and a NAT gateway with an Elastic IP between them.
# Needs a region that is up and its settings: eval "$(npx holdfast env --region us-west-2)"
source "$(dirname "$0")/see.sh"
source "$(dirname "$0")/network.sh"

clean_up() {
  set +e
  end_network "${vpc:-}" "${allocation:-}" -- ${far:-} ${door:-} ${one:-} ${two:-}
  [ -n "${outside:-}" ] && insist aws ec2 delete-security-group --group-id "$outside"
} >/dev/null 2>&1
trap clean_up EXIT

step 'B1  the far side: an instance in another VPC, which says whom it sees'
aws ec2 create-key-pair --key-name lab-key --query KeyMaterial --output text >"$folder/key.pem"
chmod 600 "$folder/key.pem"
outside=$(aws ec2 create-security-group --group-name far-side --description 'HTTP from anywhere' --query GroupId --output text)
for port in 22 80; do allow "$outside" $port 0.0.0.0/0; done
far=$(launch far --security-group-ids "$outside")

step 'B1  an Elastic IP, a VPC, a public and a private subnet, a NAT gateway'
zones=($(aws ec2 describe-availability-zones --query 'AvailabilityZones[:2].ZoneName' --output text))
allocation=$(allocate)
elastic=$(public_of "$allocation")
vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
aws ec2 modify-vpc-attribute --vpc-id "$vpc" --enable-dns-hostnames
gateway=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)
aws ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
public=$(make_subnet 10.0.0.0/24 "${zones[0]}")
private=$(make_subnet 10.0.1.0/24 "${zones[0]}")
aws ec2 modify-subnet-attribute --subnet-id "$public" --map-public-ip-on-launch
open=$(make_table)
aws ec2 create-route --route-table-id "$open" --destination-cidr-block 0.0.0.0/0 --gateway-id "$gateway" >/dev/null
associate "$open" "$public" >/dev/null
nat=$(make_nat_gateway "$public" "$allocation")
see_within 30 'the NAT gateway becomes available' is_nat_state "$nat" available
main=$(aws ec2 describe-route-tables --filters "Name=vpc-id,Values=$vpc" Name=association.main,Values=true --query 'RouteTables[0].RouteTableId' --output text)
aws ec2 create-route --route-table-id "$main" --destination-cidr-block 0.0.0.0/0 --nat-gateway-id "$nat" >/dev/null

step 'B1  two more subnets in a second zone'
public_two=$(make_subnet 10.0.2.0/24 "${zones[1]}")
private_two=$(make_subnet 10.0.3.0/24 "${zones[1]}")
associate "$open" "$public_two" >/dev/null
associate "$main" "$private_two" >/dev/null

step 'B1  an instance in the public subnet, and one in each private one, open to everybody'
web=$(make_group web)
for port in 22 80; do allow "$web" $port 0.0.0.0/0; done
door=$(launch door --subnet-id "$public" --security-group-ids "$web")
one=$(launch one --subnet-id "$private" --security-group-ids "$web")
two=$(launch two --subnet-id "$private_two" --security-group-ids "$web")
for each in "$far" "$door" "$one" "$two"; do see_within 60 "$each runs" is_state "$each" running; done
bastion=$(instance "$door" PublicIpAddress)
there="http://$(instance "$far" PublicIpAddress)"
first=$(instance "$one" PrivateIpAddress) second=$(instance "$two" PrivateIpAddress)
see 'the private instances have no public address' equal "$(instance "$one" PublicIpAddress) $(instance "$two" PublicIpAddress)" 'None None'
see_within 60 'the far side answers' serves "$there/"
for each in "$first" "$second"; do see_within 60 "the key pair logs in to $each through the public instance" logs_in "$each"; done
see "the far side sees $first as the Elastic IP $elastic" equal "$(seen_from "$first" "$there")" "$elastic"
see "and so it sees $second, from the other zone" equal "$(seen_from "$second" "$there")" "$elastic"
see 'it sees the public instance as itself' equal "$(on "$(instance "$door" PrivateIpAddress)" curl -s "$there")" "$bastion"
see_within 30 'in the VPC the private instance answers' sees "$second" "http://$first" "$second"
see 'from outside, the Elastic IP leads to nobody' equal "$(code "http://$elastic/")" 000
see 'nor does it for an instance elsewhere' equal "$("${quiet_ssh[@]}" "admin@${there#http://}" "curl -s --max-time 2 http://$elastic || echo 000")" 000

step 'B1  the NAT gateway goes'
aws ec2 delete-nat-gateway --nat-gateway-id "$nat" >/dev/null
see_within 30 'it is deleted' is_nat_state "$nat" deleted
see 'its route leads nowhere' equal "$(aws ec2 describe-route-tables --route-table-ids "$main" --query "RouteTables[0].Routes[?NatGatewayId!=null].State" --output text)" blackhole
see 'the private instance reaches the far side no more' equal "$(seen_from "$first" "$there" 2)" 000
see 'the public one still does' equal "$(on "$(instance "$door" PrivateIpAddress)" curl -s "$there")" "$bastion"
printf '\nAll of B1 was seen.\n'
