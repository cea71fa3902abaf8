#!/bin/bash
# Lab C1: public, private and database subnets in two zones; security groups in a chain; a network ACL.
# Needs a region that is up and its settings: eval "$(npx holdfast env --region us-west-2)"
source "$(dirname "$0")/see.sh"
source "$(dirname "$0")/network.sh"

clean_up() {
  set +e
  [ -n "${balancer:-}" ] && aws elbv2 delete-load-balancer --load-balancer-arn "$balancer"
  [ -n "${targets:-}" ] && insist aws elbv2 delete-target-group --target-group-arn "$targets"
  end_network "${vpc:-}" -- ${door:-} ${app:-} ${store:-}
} >/dev/null 2>&1
trap clean_up EXIT

step 'C1  a VPC with three layers in two zones'
aws ec2 create-key-pair --key-name lab-key --query KeyMaterial --output text >"$folder/key.pem"
chmod 600 "$folder/key.pem"
zones=($(aws ec2 describe-availability-zones --query 'AvailabilityZones[:2].ZoneName' --output text))
vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
gateway=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)
aws ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
public=() private=() database=()
for at in 0 1; do
  public+=("$(make_subnet 10.0.$at.0/24 "${zones[at]}")")
  private+=("$(make_subnet 10.0.$((2 + at)).0/24 "${zones[at]}")")
  database+=("$(make_subnet 10.0.$((4 + at)).0/24 "${zones[at]}")")
done
open=$(make_table) inner=$(make_table)
aws ec2 create-route --route-table-id "$open" --destination-cidr-block 0.0.0.0/0 --gateway-id "$gateway" >/dev/null
for subnet in "${public[@]}"; do associate "$open" "$subnet" >/dev/null; done
for subnet in "${private[@]}" "${database[@]}"; do associate "$inner" "$subnet" >/dev/null; done

step 'C1  security groups in a chain: load balancer, application, database'
lb=$(make_group Inventory-LB) app_group=$(make_group Inventory-App) db=$(make_group Inventory-DB) ssh=$(make_group Door)
allow "$lb" 80 0.0.0.0/0
allow "$app_group" 80 "$lb"
allow "$db" 3306 "$app_group"
allow "$ssh" 22 0.0.0.0/0
for group in "$app_group" "$db"; do allow "$group" 22 "$ssh"; done

step 'C1  a network ACL of their own for the database subnets'
acl=$(aws ec2 create-network-acl --vpc-id "$vpc" --query NetworkAcl.NetworkAclId --output text)
entry() { aws ec2 create-network-acl-entry --network-acl-id "$acl" "$@"; }
entry --ingress --rule-number 100 --protocol -1 --rule-action allow --cidr-block 10.0.0.0/16
entry --egress --rule-number 100 --protocol -1 --rule-action allow --cidr-block 10.0.0.0/16
for subnet in "${database[@]}"; do
  association=$(aws ec2 describe-network-acls --filters "Name=association.subnet-id,Values=$subnet" \
    --query "NetworkAcls[0].Associations[?SubnetId=='$subnet'].NetworkAclAssociationId" --output text)
  aws ec2 replace-network-acl-association --association-id "$association" --network-acl-id "$acl" >/dev/null
done

step 'C1  an instance in each layer, and a load balancer before the application'
door=$(launch door --subnet-id "${public[0]}" --security-group-ids "$ssh" --associate-public-ip-address)
app=$(launch app --subnet-id "${private[0]}" --security-group-ids "$app_group")
store=$(launch store --subnet-id "${database[1]}" --security-group-ids "$db")
targets=$(aws elbv2 create-target-group --name Inventory-App --protocol HTTP --port 80 --vpc-id "$vpc" --query 'TargetGroups[0].TargetGroupArn' --output text)
aws elbv2 modify-target-group --target-group-arn "$targets" --health-check-interval-seconds 5 --healthy-threshold-count 2 >/dev/null
balancer=$(aws elbv2 create-load-balancer --name Inventory-LB --subnets "${public[@]}" --security-groups "$lb" --query 'LoadBalancers[0].LoadBalancerArn' --output text)
aws elbv2 create-listener --load-balancer-arn "$balancer" --protocol HTTP --port 80 --default-actions "Type=forward,TargetGroupArn=$targets" >/dev/null
for each in "$door" "$app" "$store"; do see_within 60 "$each runs" is_state "$each" running; done
aws elbv2 register-targets --target-group-arn "$targets" --targets "Id=$app"
bastion=$(instance "$door" PublicIpAddress)
address=$(instance "$app" PrivateIpAddress) data=$(instance "$store" PrivateIpAddress) near=$(instance "$door" PrivateIpAddress)
name=$(aws elbv2 describe-load-balancers --load-balancer-arns "$balancer" --query 'LoadBalancers[0].DNSName' --output text)

step 'C1  each layer is enforced'
see_within 60 'the application is healthy' is_target "$targets" "$app" healthy
see_within 30 'the page answers through the load balancer' serves "http://$name/"
for each in "$address" "$data"; do see_within 60 "the key pair logs in to $each" logs_in "$each"; done
see 'the application reaches the database' equal "$(seen_from "$address" "http://$data:3306")" "$address"
from_door() { "${quiet_ssh[@]}" "admin@$bastion" "curl -s --max-time 2 $1 || echo 000"; }
see_within 30 'the door lets in' "${quiet_ssh[@]}" "admin@$bastion" true
see 'another public instance does not reach the application' equal "$(from_door "http://$address")" 000
see 'nor the database' equal "$(from_door "http://$data:3306")" 000
see 'the database does not reach the application' equal "$(seen_from "$data" "http://$address" 2)" 000
see 'nothing outside can even name either' equal "$(instance "$app" PublicIpAddress) $(instance "$store" PublicIpAddress)" 'None None'

step 'C1  a deny of the network ACL wins over the security group'
entry --ingress --rule-number 90 --protocol tcp --port-range From=3306,To=3306 --rule-action deny --cidr-block 10.0.2.0/24
reaches_not() { sees "$address" "http://$data:3306" 000; }
see_within 10 'the application does not reach the database any more' reaches_not
see 'though its group allows it' holds "$(aws ec2 describe-security-groups --group-ids "$db" --query 'SecurityGroups[0].IpPermissions[?FromPort==`3306`].UserIdGroupPairs[].GroupId' --output text)" "$app_group"
see 'SSH still comes through' logs_in "$data"
aws ec2 delete-network-acl-entry --network-acl-id "$acl" --ingress --rule-number 90
see_within 10 'without the entry it does again' sees "$address" "http://$data:3306" "$address"
entry --egress --rule-number 90 --protocol tcp --port-range From=1024,To=65535 --rule-action deny --cidr-block 10.0.2.0/24
see_within 10 'the ACL has no memory: without answers there is no connection' reaches_not
printf '\nAll of C1 was seen.\n'
