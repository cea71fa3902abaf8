#!/bin/bash
# Labs A1 and A3 to A7: user data, an image, a target group, a load balancer over four zones, an Auto Scaling group.
# Needs a region that is up and its settings: eval "$(npx holdfast env --region ap-northeast-2)"
source "$(dirname "$0")/see.sh"
folder=$(mktemp -d)

clean_up() {
  set +e
  end_groups myasg
  [ -n "${balancer:-}" ] && aws elbv2 delete-load-balancer --load-balancer-arn "$balancer"
  [ -n "${group:-}" ] && insist aws elbv2 delete-target-group --target-group-arn "$group"
  aws ec2 delete-launch-template --launch-template-name mytemplate
  [ -n "${first:-}${second:-}" ] && aws ec2 terminate-instances --instance-ids ${first:-} ${second:-} && insist all_ended ${first:-} ${second:-}
  [ -n "${ami:-}" ] && aws ec2 deregister-image --image-id "$ami"
  [ -n "${snapshot:-}" ] && aws ec2 delete-snapshot --snapshot-id "$snapshot"
  for each in ${web:-} ${database:-}; do insist aws ec2 delete-security-group --group-id "$each"; done
  aws ec2 delete-key-pair --key-name mykeypair
  rm -rf "$folder"
} >/dev/null 2>&1
trap clean_up EXIT

ssh_to() { ssh -q -i "$folder/mykeypair.pem" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10 "admin@$1" "${@:2}"; }
console_holds() { aws ec2 get-console-output --instance-id "$first" --query Output --output text | grep -F "$1" >/dev/null; }
both_are_healthy() { is_target "$group" "$first" healthy && is_target "$group" "$second" healthy; }

step 'A1  an instance with user data, in the default VPC, with two existing security groups'
image=$(aws ec2 describe-images --owners amazon --filters 'Name=name,Values=debian-12-*' --query 'sort_by(Images,&CreationDate)[-1].ImageId' --output text)
web=$(aws ec2 create-security-group --group-name launch-wizard-1 --description 'SSH and HTTP' --query GroupId --output text)
database=$(aws ec2 create-security-group --group-name ec2-rds-1 --description 'opens the database to the instance' --query GroupId --output text)
for port in 22 80; do
  aws ec2 authorize-security-group-ingress --group-id "$web" --protocol tcp --port $port --cidr 0.0.0.0/0 >/dev/null
done
aws ec2 create-key-pair --key-name mykeypair --query KeyMaterial --output text >"$folder/mykeypair.pem"
chmod 600 "$folder/mykeypair.pem"
cat >"$folder/user-data.sh" <<'USER_DATA'
#!/bin/bash
echo "user data runs as $(whoami)"
apt-get update -q && apt-get install -q -y --no-install-recommends nginx-light
echo "<h1>Hello from $(hostname)</h1>" >/var/www/html/index.html
systemctl enable --now nginx
echo once >>/root/ran
echo "user data is done"
USER_DATA
first=$(aws ec2 run-instances --image-id "$image" --instance-type t2.micro --key-name mykeypair \
  --security-group-ids "$web" "$database" --user-data "file://$folder/user-data.sh" \
  --tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=myec2-ha}]' --query 'Instances[0].InstanceId' --output text)
see_within 60 'myec2-ha is running' is_state "$first" running
address=$(instance "$first" PublicIpAddress)
see_within 120 'the page answers on the public address' serves "http://$address/"
see_within 60 'the output of the script is in the console output' \
  console_holds 'user data is done'
see 'the key pair logs in, and the script ran as root' holds "$(ssh_to "$address" sudo cat /var/log/cloud-init-output.log)" 'user data runs as root'
see 'the script ran once' equal "$(ssh_to "$address" sudo cat /root/ran)" once
ssh_to "$address" sudo systemd-run --quiet python3 -m http.server 8081
see_within 10 'something listens on port 8081' ssh_to "$address" curl -sf -o /dev/null http://127.0.0.1:8081/
see 'a port that no group opens does not answer' equal "$(code "http://$address:8081/")" 000

step 'A3  an image of it'
booted() { ssh_to "$1" ps -o lstart= -p 1; }
before=$(booted "$address")
ami=$(aws ec2 create-image --instance-id "$first" --name myec2-ha-ami --query ImageId --output text)
see_within 60 'it becomes available' image_is_available "$ami"
snapshot=$(snapshot_of "$ami")
see 'a snapshot stands behind it' equal "$(aws ec2 describe-snapshots --snapshot-ids "$snapshot" --query 'Snapshots[0].State' --output text)" completed
see_within 60 'the instance serves again' serves "http://$address/"
see 'it was rebooted' test "$before" != "$(booted "$address")"
hello=$(page "http://$address/")
see 'the page names the instance' holds "$hello" 'Hello from ip-'
see 'the user data did not run again' equal "$(ssh_to "$address" sudo cat /root/ran)" once

step 'A4  an instance from the image, without user data'
second=$(aws ec2 run-instances --image-id "$ami" --instance-type t2.micro --key-name mykeypair --security-group-ids "$web" \
  --tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=myec2-from-ami}]' --query 'Instances[0].InstanceId' --output text)
see_within 60 'myec2-from-ami is running' is_state "$second" running
other=$(instance "$second" PublicIpAddress)
see_within 60 'the same page from the same service' serves "http://$other/"
see_within 30 'SSH answers' ssh_to "$other" true
see 'the same packages' equal "$(ssh_to "$other" dpkg-query -W)" "$(ssh_to "$address" dpkg-query -W)"
see 'it knows its own id' equal "$(ssh_to "$other" curl -s http://169.254.169.254/latest/meta-data/instance-id)" "$second"
for own in hostname 'cat /etc/machine-id' 'cat /etc/ssh/ssh_host_ed25519_key.pub'; do
  see "its own: $own" test "$(ssh_to "$address" "$own")" != "$(ssh_to "$other" "$own")"
done

step 'A5  a target group with both'
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
group=$(aws elbv2 create-target-group --name mytarget-group --protocol HTTP --port 80 --vpc-id "$vpc" --target-type instance \
  --query 'TargetGroups[0].TargetGroupArn' --output text)
aws elbv2 register-targets --target-group-arn "$group" --targets "Id=$first" "Id=$second"
see 'unused as long as no listener forwards to it' equal "$(target_state "$group" "$first")" unused

step 'A6  a load balancer over four zones'
subnets=$(aws ec2 describe-subnets --filters Name=default-for-az,Values=true --query 'Subnets[].SubnetId' --output text)
# So that the first state can be looked at for longer than the first check takes.
ssh_to "$other" sudo systemctl stop nginx
balancer=$(aws elbv2 create-load-balancer --name myelb --subnets $subnets --security-groups "$web" \
  --query 'LoadBalancers[0].LoadBalancerArn' --output text)
aws elbv2 create-listener --load-balancer-arn "$balancer" --protocol HTTP --port 80 \
  --default-actions "Type=forward,TargetGroupArn=$group" >/dev/null
see_within 60 'the load balancer is active' is_active "$balancer"
name=$(aws elbv2 describe-load-balancers --load-balancer-arns "$balancer" --query 'LoadBalancers[0].DNSName' --output text)
see_within 30 'the target that answers becomes healthy' is_target "$group" "$first" healthy
see 'the other one is initial' is_target "$group" "$second" initial
ssh_to "$other" sudo systemctl start nginx
see_within 30 'then it is healthy as well' both_are_healthy
nodes=$(aws ec2 describe-network-interfaces --filters 'Name=description,Values=ELB app/myelb/*' --query 'NetworkInterfaces[].AvailabilityZone' --output text)
see 'one node in each of the four zones' equal "$(count "$nodes")" 4
see "its name answers: $name" serves "http://$name/"
for instance in "$address" "$other"; do
  ssh_to "$instance" "hostname | sudo tee /var/www/html/index.html >/dev/null"
done
hosts=$(for each in "$address" "$other"; do ssh_to "$each" hostname; done | sort)
see 'answers come from both instances in turn' equal "$(answers "http://$name/" 16)" "$hosts"
see 'the name answers in an instance as well' equal "$(ssh_to "$address" "$(declare -f page answers); answers http://$name/ 16")" "$hosts"

step 'A7  a launch template and an Auto Scaling group'
aws ec2 create-launch-template --launch-template-name mytemplate --launch-template-data \
  "{\"ImageId\":\"$ami\",\"InstanceType\":\"t2.micro\",\"KeyName\":\"mykeypair\",\"SecurityGroupIds\":[\"$web\",\"$database\"]}" >/dev/null
aws autoscaling create-auto-scaling-group --auto-scaling-group-name myasg --launch-template 'LaunchTemplateName=mytemplate' \
  --min-size 2 --max-size 4 --desired-capacity 2 --vpc-zone-identifier "$(tr '\t ' ',,' <<<"$subnets")" --target-group-arns "$group"
see_within 60 'two instances come into service by themselves' has_in_service myasg 2
for member in $(in_service myasg); do
  see_within 60 "$member registered by itself and is healthy" is_target "$group" "$member" healthy
done
aws elbv2 deregister-targets --target-group-arn "$group" --targets "Id=$first" "Id=$second"
see_within 30 'only the group, with the page that the image has, answers through the load balancer' answers_are "http://$name/" "$hello"
printf '\nAll of A1 and A3 to A7 was seen.\n'
