#!/bin/bash
# Lab C9: a NAT gateway in each zone, so that a zone does not lose its way out with another one.
# Needs a region that is up and its settings: eval "$(npx holdfast env --region us-west-2)"
source "$(dirname "$0")/see.sh"
source "$(dirname "$0")/network.sh"

clean_up() {
  set +e
  npx holdfast fault clear --all
  end_network "${vpc:-}" "${allocation_one:-}" "${allocation_two:-}" -- ${far:-} ${door:-} ${one:-} ${two:-}
  [ -n "${outside:-}" ] && insist aws ec2 delete-security-group --group-id "$outside"
} >/dev/null 2>&1
trap clean_up EXIT

step 'C9  before: two zones, and one NAT gateway for both'
aws ec2 create-key-pair --key-name lab-key --query KeyMaterial --output text >"$folder/key.pem"
chmod 600 "$folder/key.pem"
zones=($(aws ec2 describe-availability-zones --query 'AvailabilityZones[:3].ZoneName' --output text))
outside=$(aws ec2 create-security-group --group-name far-side --description 'HTTP from anywhere' --query GroupId --output text)
allow "$outside" 80 0.0.0.0/0
far=$(launch far --security-group-ids "$outside" --placement "AvailabilityZone=${zones[2]}")
vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
gateway=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)
aws ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
public_one=$(make_subnet 10.0.0.0/24 "${zones[0]}") private_one=$(make_subnet 10.0.2.0/24 "${zones[0]}")
public_two=$(make_subnet 10.0.1.0/24 "${zones[1]}") private_two=$(make_subnet 10.0.3.0/24 "${zones[1]}")
open=$(make_table) inner=$(make_table)
aws ec2 create-route --route-table-id "$open" --destination-cidr-block 0.0.0.0/0 --gateway-id "$gateway" >/dev/null
for subnet in "$public_one" "$public_two"; do associate "$open" "$subnet" >/dev/null; done
associate "$inner" "$private_one" >/dev/null
associated=$(associate "$inner" "$private_two")
allocation_one=$(allocate)
nat_one=$(make_nat_gateway "$public_one" "$allocation_one")
see_within 30 'the NAT gateway in the first zone is available' is_nat_state "$nat_one" available
aws ec2 create-route --route-table-id "$inner" --destination-cidr-block 0.0.0.0/0 --nat-gateway-id "$nat_one" >/dev/null
web=$(make_group web)
allow "$web" 22 0.0.0.0/0
door=$(launch door --subnet-id "$public_two" --security-group-ids "$web" --associate-public-ip-address)
one=$(launch one --subnet-id "$private_one" --security-group-ids "$web")
two=$(launch two --subnet-id "$private_two" --security-group-ids "$web")
for each in "$far" "$door" "$one" "$two"; do see_within 60 "$each runs" is_state "$each" running; done
bastion=$(instance "$door" PublicIpAddress)
there="http://$(instance "$far" PublicIpAddress)"
first=$(instance "$one" PrivateIpAddress) second=$(instance "$two" PrivateIpAddress)
elastic_one=$(public_of "$allocation_one")
see_within 60 'the far side answers' serves "$there/"
for each in "$first" "$second"; do see_within 60 "the key pair logs in to $each" logs_in "$each"; done
for each in "$first" "$second"; do see "the far side sees $each as $elastic_one" equal "$(seen_from "$each" "$there")" "$elastic_one"; done

step 'C9  before: the first zone is cut off'
npx holdfast fault zone "${zones[0]}"
is_lost() { sees "$second" "$there" 000; }
see_within 20 'an instance in the second zone does not reach the outside' is_lost
npx holdfast fault clear --all
see_within 20 'with the zone back, it does' sees "$second" "$there" "$elastic_one"

step 'C9  a second NAT gateway, its own route table, the second private subnet associated to it'
allocation_two=$(allocate)
elastic_two=$(public_of "$allocation_two")
nat_two=$(make_nat_gateway "$public_two" "$allocation_two")
see_within 30 'it is available' is_nat_state "$nat_two" available
inner_two=$(make_table)
aws ec2 create-route --route-table-id "$inner_two" --destination-cidr-block 0.0.0.0/0 --nat-gateway-id "$nat_two" >/dev/null
aws ec2 replace-route-table-association --association-id "$associated" --route-table-id "$inner_two" >/dev/null
see_within 10 "the far side sees the second zone as $elastic_two" sees "$second" "$there" "$elastic_two"
see 'and the first as before' equal "$(seen_from "$first" "$there")" "$elastic_one"

step 'C9  after: the first zone is cut off'
npx holdfast fault zone "${zones[0]}"
see_within 20 'the zone is impaired' equal "$(aws ec2 describe-availability-zones --zone-names "${zones[0]}" --query 'AvailabilityZones[0].State' --output text)" impaired
see 'the second zone still reaches the outside' equal "$(seen_from "$second" "$there")" "$elastic_two"
npx holdfast fault clear --all
see_within 20 'with the zone back, the first does as well' sees "$first" "$there" "$elastic_one"
printf '\nAll of C9 was seen.\n'
