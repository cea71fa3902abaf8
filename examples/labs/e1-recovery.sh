#!/bin/bash
# Lab E1, without its alarm and its stack: a server on an Elastic IP behind a network ACL; its host fails, and it comes
# back on another one as what it was. `holdfast recover` stands for the alarm's action.
# Needs a region that is up and its settings: eval "$(npx holdfast env --region us-east-1)"
source "$(dirname "$0")/see.sh"
source "$(dirname "$0")/network.sh"

clean_up() {
  set +e
  touch "$folder/ci.end"
  npx holdfast fault clear --all
  end_network "${vpc:-}" "${allocation:-}" -- ${server:-}
} >/dev/null 2>&1
trap clean_up EXIT

to_server() { "${quiet_ssh[@]}" "admin@$address" "$@"; }
host_of() { npx holdfast status | awk -v id="$1" '$1==id { print $4 }'; }
checks() {
  aws ec2 describe-instance-status --instance-ids "$server" --output text \
    --query 'InstanceStatuses[0].[SystemStatus.Status,SystemStatus.Details[0].Status]' | tr '\t' ' '
}
checks_are() { [ "$(checks)" = "$1" ]; }
described() {
  aws ec2 describe-instances --instance-ids "$server" --output text \
    --query 'Reservations[0].Instances[0].[InstanceId,PrivateIpAddress,PublicIpAddress,NetworkInterfaces[0].NetworkInterfaceId,SubnetId,State.Name]'
}
answers_again() { awk -v from="$failed_at" '$1>from && $2!=200 { gone=1 } gone && $2==200 { found=1 } END { exit !found }' "$folder/ci"; }

step 'E1  a VPC with a public subnet and a network ACL: in SSH, port 8080 and answers; out web and answers'
aws ec2 create-key-pair --key-name lab-key --query KeyMaterial --output text >"$folder/key.pem"
chmod 600 "$folder/key.pem"
vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
aws ec2 modify-vpc-attribute --vpc-id "$vpc" --enable-dns-hostnames
gateway=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)
aws ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
zone=$(aws ec2 describe-availability-zones --query 'AvailabilityZones[0].ZoneName' --output text)
subnet=$(make_subnet 10.0.0.0/24 "$zone")
open=$(make_table)
aws ec2 create-route --route-table-id "$open" --destination-cidr-block 0.0.0.0/0 --gateway-id "$gateway" >/dev/null
associate "$open" "$subnet" >/dev/null
acl=$(aws ec2 create-network-acl --vpc-id "$vpc" --query NetworkAcl.NetworkAclId --output text)
entry() {
  aws ec2 create-network-acl-entry --network-acl-id "$acl" "--$1" --rule-number "$2" --protocol tcp --port-range "From=$3,To=$4" \
    --cidr-block 0.0.0.0/0 --rule-action allow
}
entry ingress 100 22 22
entry ingress 110 8080 8080
entry ingress 190 32768 65535
entry egress 100 80 80
entry egress 110 443 443
entry egress 190 1024 65535
replaced=$(aws ec2 describe-network-acls --filters "Name=association.subnet-id,Values=$subnet" \
  --query "NetworkAcls[0].Associations[?SubnetId=='$subnet']|[0].NetworkAclAssociationId" --output text)
aws ec2 replace-network-acl-association --association-id "$replaced" --network-acl-id "$acl" >/dev/null

step 'E1  an Elastic IP, and an instance whose user data sets up a build server'
# Jenkins comes from a site of its own; this stand-in counts builds on its disk, and says only what is written there.
cat >"$folder/user-data.sh" <<'USER_DATA'
#!/bin/bash
mkdir -p /var/lib/builds
cat >/usr/local/bin/builds.py <<'PYTHON'
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Lock, Thread
path, lock = '/var/lib/builds/last', Lock()
class Builds(BaseHTTPRequestHandler):
    def do_GET(self):
        with lock:
            number = int(open(path).read()) + 1 if os.path.exists(path) else 1
            with open(path + '.new', 'w') as file:
                file.write(str(number))
                file.flush()
                os.fsync(file.fileno())
            os.replace(path + '.new', path)
        body = f'build {number}'.encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
for port in (80, 8080):
    Thread(target=HTTPServer(('', port), Builds).serve_forever).start()
PYTHON
cat >/etc/systemd/system/builds.service <<'UNIT'
[Service]
ExecStart=/usr/bin/python3 /usr/local/bin/builds.py
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --now builds
echo once >>/root/ran
USER_DATA
web=$(make_group ci)
for port in 22 80 8080; do allow "$web" $port 0.0.0.0/0; done
server=$(aws ec2 run-instances --image-id "$image" --instance-type t2.micro --key-name lab-key --subnet-id "$subnet" --security-group-ids "$web" \
  --user-data "file://$folder/user-data.sh" --tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=jenkins-recovery}]' \
  --query 'Instances[0].InstanceId' --output text)
see_within 60 'it is running' is_state "$server" running
# EC2 recovers by itself what it finds impaired; here it is to wait until it is told to.
aws ec2 modify-instance-maintenance-options --instance-id "$server" --auto-recovery disabled >/dev/null
allocation=$(allocate)
address=$(public_of "$allocation")
aws ec2 associate-address --allocation-id "$allocation" --instance-id "$server" >/dev/null
see_within 60 "the build server answers at its Elastic IP, http://$address:8080/" serves "http://$address:8080/"
see_within 60 'the key pair logs in' to_server true
see 'it answers on port 80 to itself' equal "$(to_server curl -s -o /dev/null -w '%{http_code}' http://localhost/)" 200
see 'but the network ACL does not let port 80 in, though the security group would' equal "$(code "http://$address/")" 000
see 'it reaches the web' to_server 'sudo apt-get update -q >/dev/null'
see_within 150 'the system status check passes' checks_are 'ok passed'

step 'E1  the host fails'
before=$(described)
host=$(host_of "$server")
to_server 'sudo touch /dev/shm/memory; sync'
booted=$(to_server ps -o lstart= -p 1)
watch_load "$folder/ci" "http://$address:8080/" 0.2 0.5
sleep 2
failed_at=$EPOCHREALTIME
npx holdfast fault host "$host"
see_within 90 'the system status check fails' checks_are 'impaired failed'
checked_at=$EPOCHREALTIME
see 'the instance is called running all the while' is_state "$server" running
see 'nothing answers' equal "$(code "http://$address:8080/")" 000

step "E1  recovery, as the alarm's action does it"
asked_at=$EPOCHREALTIME
npx holdfast recover "$server"
see_within 60 'the build server answers again' answers_again
end_load "$folder/ci"
see 'id, private address, Elastic IP, interface and subnet are what they were' equal "$(described)" "$before"
see_within 30 'the key pair logs in' to_server true
now_on=$(host_of "$server")
see "it lives on another host of $zone: $now_on instead of $host" test "$now_on" != "$host" -a "${now_on%-h*}" = "$zone"
see 'it knows its own id' equal "$(to_server curl -s http://169.254.169.254/latest/meta-data/instance-id)" "$server"
see 'it booted anew' test "$booted" != "$(to_server ps -o lstart= -p 1)"
see 'its user data did not run again' equal "$(to_server sudo cat /root/ran)" once
see 'what was in its memory is gone' not to_server test -e /dev/shm/memory
see_within 150 'the system status check passes again' checks_are 'ok passed'
see 'there is nothing more to recover' holds "$(npx holdfast recover "$server")" 'nothing to recover'

step 'E1  what it cost'
read -r again last first < <(awk -v from="$failed_at" '
  $2==200 && !again { if (gone) { again=$1; first=$4 } else last=$4 }
  $1>from && $2!=200 && !again { gone=1 }
  END { print again, last, first }' "$folder/ci")
since() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f s", to-from }'; }
printf '   RTO %s: %s until the check failed, %s from the action until the first answer\n' \
  "$(since "$failed_at" "$again")" "$(since "$failed_at" "$checked_at")" "$(since "$asked_at" "$again")"
see "RPO none: the last build before was $last, the first one after is $first" test "$first" -gt "$last"
printf '\nAll of E1 was seen.\n'
