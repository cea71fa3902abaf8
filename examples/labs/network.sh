# What the labs about networks share. Sourced after see.sh.
folder=$(mktemp -d)
image=$(aws ec2 describe-images --owners amazon --filters 'Name=name,Values=debian-12-*' --query 'sort_by(Images,&CreationDate)[-1].ImageId' --output text)

quiet_ssh=(ssh -q -i "$folder/key.pem" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10)
# on ADDRESS COMMAND…: a command in the instance with this address, through the instance $bastion.
on() { "${quiet_ssh[@]}" -o ProxyCommand="${quiet_ssh[*]} -W %h:%p admin@$bastion" "admin@$1" "${@:2}"; }

# Answers every request on port 80 with the address that it came from.
cat >"$folder/who.sh" <<'WHO'
#!/bin/bash
cat >/root/who.py <<'PYTHON'
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Who(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.client_address[0].encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
for port in (80, 3306):
    server = ThreadingHTTPServer(('', port), Who)
    __import__('threading').Thread(target=server.serve_forever).start()
PYTHON
systemd-run --quiet --unit who python3 /root/who.py
WHO

# launch NAME ARGUMENTS…: an instance that runs who.sh; gives its id.
launch() {
  aws ec2 run-instances --image-id "$image" --instance-type t3.micro --key-name lab-key --user-data "file://$folder/who.sh" \
    --tag-specifications "ResourceType=instance,Tags=[{Key=Name,Value=$1}]" "${@:2}" --query 'Instances[0].InstanceId' --output text
}

# seen_from ADDRESS URL: what a page says when the instance with this address asks for it; 000 without an answer.
seen_from() { on "$1" "curl -s --max-time ${3:-5} $2 || echo 000"; }
sees() { [ "$(seen_from "$1" "$2")" = "$3" ]; }
logs_in() { on "$1" true; }

make_subnet() { aws ec2 create-subnet --vpc-id "$vpc" --cidr-block "$1" --availability-zone "$2" --query Subnet.SubnetId --output text; }
make_group() { aws ec2 create-security-group --vpc-id "$vpc" --group-name "$1" --description "$1" --query GroupId --output text; }
# allow GROUP PORT FROM: from an address range or from a group.
allow() {
  case $3 in
    sg-*) aws ec2 authorize-security-group-ingress --group-id "$1" --protocol tcp --port "$2" --source-group "$3" ;;
    *) aws ec2 authorize-security-group-ingress --group-id "$1" --protocol tcp --port "$2" --cidr "$3" ;;
  esac >/dev/null
}
allocate() { aws ec2 allocate-address --query AllocationId --output text; }
public_of() { aws ec2 describe-addresses --allocation-ids "$1" --query 'Addresses[0].PublicIp' --output text; }
make_nat_gateway() { aws ec2 create-nat-gateway --subnet-id "$1" --allocation-id "$2" --query NatGateway.NatGatewayId --output text; }
nat_state() { aws ec2 describe-nat-gateways --nat-gateway-ids "$1" --query 'NatGateways[0].State' --output text; }
is_nat_state() { [ "$(nat_state "$1")" = "$2" ]; }
make_table() { aws ec2 create-route-table --vpc-id "$vpc" --query RouteTable.RouteTableId --output text; }
associate() { aws ec2 associate-route-table --route-table-id "$1" --subnet-id "$2" --query AssociationId --output text; }

# end_network VPC ALLOCATION… -- INSTANCE…: everything of the lab, in the order in which one thing lets go of the other.
end_network() {
  local id gone=$1 allocations=() each
  shift
  while (($# > 0)) && [ "$1" != -- ]; do
    [ -n "$1" ] && allocations+=("$1")
    shift
  done
  shift
  [ -n "$*" ] && aws ec2 terminate-instances --instance-ids "$@" && insist all_ended "$@"
  for id in $(in_network nat-gateways --filter NatGateways NatGatewayId); do
    aws ec2 delete-nat-gateway --nat-gateway-id "$id" && insist is_nat_state "$id" deleted
  done
  for each in "${allocations[@]}"; do insist aws ec2 release-address --allocation-id "$each"; done
  for id in $(in_network subnets --filters Subnets SubnetId); do insist aws ec2 delete-subnet --subnet-id "$id"; done
  for id in $(in_network route-tables --filters 'RouteTables[?length(Associations[?Main])==`0`]' RouteTableId); do
    aws ec2 delete-route-table --route-table-id "$id"
  done
  for id in $(in_network network-acls --filters 'NetworkAcls[?!IsDefault]' NetworkAclId); do
    aws ec2 delete-network-acl --network-acl-id "$id"
  done
  # A group goes when no other one names it any more.
  for each in 1 2 3; do
    for id in $(in_network security-groups --filters "SecurityGroups[?GroupName!='default']" GroupId); do
      aws ec2 delete-security-group --group-id "$id"
    done
  done
  [ -n "${gateway:-}" ] && aws ec2 detach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$gone" &&
    aws ec2 delete-internet-gateway --internet-gateway-id "$gateway"
  aws ec2 delete-vpc --vpc-id "$gone"
  aws ec2 delete-key-pair --key-name lab-key
  rm -rf "$folder"
}
# in_network KIND OPTION LIST ID: ids of what is in the VPC.
in_network() { aws ec2 "describe-$1" "$2" "Name=vpc-id,Values=$vpc" --query "$3[].$4" --output text; }
