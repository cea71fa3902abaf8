#!/bin/bash
# Labs D1 (without its scaling policy), D2 and D4 to D7: an Express application behind nginx, an Auto Scaling group, a
# load balancer with quick health checks, a stopped nginx, and a blue/green deployment.
# Needs a region that is up and its settings: eval "$(npx holdfast env --region us-east-1)"
source "$(dirname "$0")/see.sh"
folder=$(mktemp -d)

clean_up() {
  set +e
  touch "$folder/outage.end" "$folder/deployment.end"
  end_groups EXERCISE-GROUP EXERCISE-GROUP-BLUE EXERCISE-GROUP-GREEN
  [ -n "${exercise:-}" ] && aws ec2 terminate-instances --instance-ids "$exercise"
  [ -n "${balancer:-}" ] && aws elbv2 delete-load-balancer --load-balancer-arn "$balancer"
  [ -n "${group:-}" ] && insist aws elbv2 delete-target-group --target-group-arn "$group"
  aws ec2 delete-launch-template --launch-template-name exercise-launch-template
  aws ec2 delete-launch-template --launch-template-name exercise-launch-template-beta
  for each in ${image:-} ${beta:-}; do
    snapshot=$(snapshot_of "$each")
    aws ec2 deregister-image --image-id "$each" && aws ec2 delete-snapshot --snapshot-id "$snapshot"
  done
  [ -n "${exercise:-}" ] && insist all_ended "$exercise"
  for each in ${web:-} ${ssh:-}; do insist aws ec2 delete-security-group --group-id "$each"; done
  aws ec2 delete-key-pair --key-name exercise-key
  wait
  rm -rf "$folder"
} >/dev/null 2>&1
trap clean_up EXIT

on() { ssh -q -i "$folder/exercise-key.pem" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10 "admin@$1" "${@:2}"; }
capacity() { aws autoscaling update-auto-scaling-group --auto-scaling-group-name "$1" --desired-capacity "$2" --min-size "$3" --max-size "$4"; }
is_in_group() { [ -n "$(aws elbv2 describe-target-health --target-group-arn "$group" --query "TargetHealthDescriptions[?Target.Id=='$1'].Target.Id" --output text)" ]; }
has_healthy() {
  [ "$(count "$(aws elbv2 describe-target-health --target-group-arn "$group" --query "TargetHealthDescriptions[?TargetHealth.State=='healthy'].Target.Id" --output text)")" = "$1" ]
}
every_five_seconds() {
  local gap
  [ $# -ge 3 ] || return 1
  for gap; do ((gap >= 4 && gap <= 6)) || return 1; done
}

version_one='This is project A of the AWS exercise.'
version_beta='This is project A of the AWS exercise, the beta version.'

step 'D4  an Express application behind nginx on exercise-instance'
debian=$(aws ec2 describe-images --owners amazon --filters 'Name=name,Values=debian-12-*' --query 'sort_by(Images,&CreationDate)[-1].ImageId' --output text)
web=$(aws ec2 create-security-group --group-name web --description 'HTTP from anywhere' --query GroupId --output text)
ssh=$(aws ec2 create-security-group --group-name ssh --description 'SSH from anywhere' --query GroupId --output text)
aws ec2 authorize-security-group-ingress --group-id "$web" --protocol tcp --port 80 --cidr 0.0.0.0/0 >/dev/null
aws ec2 authorize-security-group-ingress --group-id "$ssh" --protocol tcp --port 22 --cidr 0.0.0.0/0 >/dev/null
aws ec2 create-key-pair --key-name exercise-key --query KeyMaterial --output text >"$folder/exercise-key.pem"
chmod 600 "$folder/exercise-key.pem"
cat >"$folder/user-data.sh" <<USER_DATA
#!/bin/bash
apt-get update -q && apt-get install -q -y --no-install-recommends nginx-light nodejs node-express
mkdir -p /var/www/aws-exercise-a
cat >/var/www/aws-exercise-a/app.js <<'APP'
const express = require('express');
const app = express();
app.get('/', (req, res) => {
  res.send('$version_one');
});
app.get('/health', (req, res) => {
  res.status(200).send();
});
app.listen(3000, () => {
  console.log('The application listens on port 3000.');
});
APP
cat >/etc/systemd/system/aws-exercise-a.service <<'UNIT'
[Service]
ExecStart=/usr/bin/node /var/www/aws-exercise-a/app.js
Environment=NODE_PATH=/usr/share/nodejs
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
cat >/etc/nginx/sites-available/default <<'SITE'
server {
  listen 80 default_server;
  location / {
    proxy_pass http://127.0.0.1:3000;
  }
}
SITE
systemctl enable --now aws-exercise-a
systemctl reload nginx
USER_DATA
exercise=$(aws ec2 run-instances --image-id "$debian" --instance-type t2.micro --key-name exercise-key --security-group-ids "$web" "$ssh" \
  --user-data "file://$folder/user-data.sh" --tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=exercise-instance}]' \
  --query 'Instances[0].InstanceId' --output text)
see_within 60 'exercise-instance is running' is_state "$exercise" running
address=$(instance "$exercise" PublicIpAddress)
application_answers() { [ "$(page "http://$address/")" = "$version_one" ]; }
see_within 150 'the application answers through nginx on port 80' application_answers
see '/health answers 200' equal "$(code "http://$address/health")" 200

step 'D1  an image of the stopped instance, a launch template, EXERCISE-GROUP with min 1 and max 2'
aws ec2 stop-instances --instance-ids "$exercise" >/dev/null
see_within 60 'exercise-instance is stopped' is_state "$exercise" stopped
image=$(aws ec2 create-image --instance-id "$exercise" --name exercise-image --query ImageId --output text)
see_within 60 'exercise-image becomes available' image_is_available "$image"
template="{\"ImageId\":\"$image\",\"InstanceType\":\"t2.micro\",\"KeyName\":\"exercise-key\",\"SecurityGroupIds\":[\"$web\",\"$ssh\"]}"
aws ec2 create-launch-template --launch-template-name exercise-launch-template --launch-template-data "$template" >/dev/null
subnets=$(aws ec2 describe-subnets --filters Name=default-for-az,Values=true Name=availability-zone,Values=us-east-1a,us-east-1b \
  --query 'Subnets[].SubnetId' --output text | tr '\t' ' ')
create_group() {
  aws autoscaling create-auto-scaling-group --auto-scaling-group-name "$1" --launch-template "LaunchTemplateName=$2,Version=\$Default" \
    --min-size "$3" --desired-capacity "$4" --max-size "$5" --vpc-zone-identifier "${subnets// /,}" \
    --tags "Key=Name,Value=${1,,},PropagateAtLaunch=true"
}
create_group EXERCISE-GROUP exercise-launch-template 1 1 2
see_within 60 'one instance runs' has_in_service EXERCISE-GROUP 1
first=$(in_service EXERCISE-GROUP)
see 'it carries the name of the group' equal "$(instance "$first" "Tags[?Key=='Name']|[0].Value")" exercise-group

step 'D2  capacity 0,0,0, then 1,1,2'
capacity EXERCISE-GROUP 0 0 0
see_within 90 'every instance of the group is terminated' all_ended "$first"
see 'the group is empty' has_in_service EXERCISE-GROUP 0
capacity EXERCISE-GROUP 1 1 2
see_within 60 'one instance runs again' has_in_service EXERCISE-GROUP 1
second=$(in_service EXERCISE-GROUP)
see 'it is another one' test "$second" != "$first"

step 'D4  exercise-lb in two zones, exercise-target-group with the health check /health'
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
default=$(aws ec2 describe-security-groups --filters "Name=vpc-id,Values=$vpc" Name=group-name,Values=default --query 'SecurityGroups[0].GroupId' --output text)
group=$(aws elbv2 create-target-group --name exercise-target-group --protocol HTTP --port 80 --vpc-id "$vpc" --target-type instance \
  --health-check-path /health --query 'TargetGroups[0].TargetGroupArn' --output text)
# Requests here take milliseconds; AWS's five minutes of draining would only be waited for.
aws elbv2 modify-target-group-attributes --target-group-arn "$group" --attributes Key=deregistration_delay.timeout_seconds,Value=8 >/dev/null
balancer=$(aws elbv2 create-load-balancer --name exercise-lb --subnets $subnets --security-groups "$default" "$web" \
  --query 'LoadBalancers[0].LoadBalancerArn' --output text)
aws elbv2 create-listener --load-balancer-arn "$balancer" --protocol HTTP --port 80 --default-actions "Type=forward,TargetGroupArn=$group" >/dev/null
aws autoscaling attach-load-balancer-target-groups --auto-scaling-group-name EXERCISE-GROUP --target-group-arns "$group"
see_within 60 'the load balancer is active' is_active "$balancer"
name=$(aws elbv2 describe-load-balancers --load-balancer-arns "$balancer" --query 'LoadBalancers[0].DNSName' --output text)
see_within 60 'the instance is registered by itself, and healthy' has_healthy 1
see "the application answers at $name" equal "$(page "http://$name/")" "$version_one"

step 'D5  the health check every 5 seconds, 2 good, 2 bad, 2 seconds of time-out; the group with two instances'
aws elbv2 modify-target-group --target-group-arn "$group" --health-check-interval-seconds 5 --health-check-timeout-seconds 2 \
  --healthy-threshold-count 2 --unhealthy-threshold-count 2 >/dev/null
changed=$SECONDS
capacity EXERCISE-GROUP 2 2 2
see_within 60 'two instances run' has_in_service EXERCISE-GROUP 2
see_within 60 'both are healthy' has_healthy 2
address=$(instance "$second" PublicIpAddress)
nodes=$(aws ec2 describe-network-interfaces --filters 'Name=description,Values=ELB app/exercise-lb/*' --query 'NetworkInterfaces[].PrivateIpAddress' --output text)
see 'the load balancer has two nodes' equal "$(count "$nodes")" 2
# Five checks from each node take 20 seconds; those before the change stand in the log too, further apart.
sleep $((SECONDS - changed < 23 ? 23 - (SECONDS - changed) : 0))
checks=$(on "$address" sudo cat /var/log/nginx/access.log | grep 'GET /health .*ELB-HealthChecker/2.0')
for node in $nodes; do
  # The times of the node's last four checks, each with the distance to the one before it.
  gaps=$(grep "^$node " <<<"$checks" | sed 's/.*\[\(..\)\/\(...\)\/\(....\):\([0-9:]*\) .*/\1 \2 \3 \4/' | tail -4 |
    while read -r time; do date -u -d "$time" +%s; done | awk 'NR>1 { print $1-before } { before=$1 }' | paste -sd' ')
  see "a check every 5 seconds from node $node in the access log (between the last four: $gaps)" every_five_seconds $gaps
done

step 'D6  nginx stopped on one of two instances'
watch_load "$folder/outage" "http://$name/"
sleep 1
on "$address" sudo service nginx stop
see_within 30 'that target becomes unhealthy' is_target "$group" "$second" unhealthy
see 'with its reason' equal "$(aws elbv2 describe-target-health --target-group-arn "$group" --targets "Id=$second" --query 'TargetHealthDescriptions[0].TargetHealth.Reason' --output text)" Target.FailedHealthChecks
recovered=$EPOCHREALTIME
sleep 2
lines=$(on "$address" sudo wc -l /var/log/nginx/access.log | cut -d' ' -f1)
on "$address" sudo service nginx start
see_within 30 'nginx started again: the target is healthy again' has_healthy 2
sleep 1
end_load "$folder/outage"
# How many checks of a node stand in the log before the first request that it forwarded.
checks=$(on "$address" sudo tail -n "+$((lines + 1))" /var/log/nginx/access.log |
  awk '/ELB-HealthChecker/ { checks[$1]++; next } !($1 in seen) { seen[$1]; print checks[$1]+0 }' | sort -u)
see 'no node sends requests before two good checks' equal "$checks" 2
stopped=$(awk '$2==502 { print $1; exit }' "$folder/outage")
see 'the outage is seen by clients' test -n "$stopped"
# Answers in the first 4 seconds of it: no node has made a second check yet.
read -r bad all < <(awk -v from="$stopped" '$1>=from && $1<from+4 { all++; if ($2==502) bad++ } END { print bad+0, all+0 }' "$folder/outage")
see "502 on that instance's share of the requests ($bad of $all in the first seconds)" test $((bad * 10)) -ge $((all * 3)) -a $((bad * 10)) -le $((all * 7))
read -r seconds after other < <(awk -v from="$stopped" -v until="$recovered" '
  $2==502 { last=$1; if ($1>until) after++ } $2!=502 && $2!=200 { other++ } END { printf "%.1f %d %d\n", last-from, after, other }' "$folder/outage")
see "until the second failed check, $seconds s later" awk -v seconds="$seconds" 'BEGIN { exit !(seconds > 3.5 && seconds < 12) }'
see 'none after it' equal "$after" 0
see 'no other error' equal "$other" 0

step 'D7  EXERCISE-GROUP is ended; EXERCISE-GROUP-BLUE serves the version there is'
members=$(in_service EXERCISE-GROUP)
capacity EXERCISE-GROUP 0 0 0
create_group EXERCISE-GROUP-BLUE exercise-launch-template 1 1 2
see_within 60 'an instance of EXERCISE-GROUP-BLUE runs' has_in_service EXERCISE-GROUP-BLUE 1
blue=$(in_service EXERCISE-GROUP-BLUE)
see_within 60 'those of EXERCISE-GROUP are terminated' all_ended $members
aws autoscaling attach-load-balancer-target-groups --auto-scaling-group-name EXERCISE-GROUP-BLUE --target-group-arns "$group"
see_within 60 'it is healthy in exercise-target-group' is_target "$group" "$blue" healthy
see "it answers at the load balancer's name" equal "$(page "http://$name/")" "$version_one"

step 'D7  the new version: exercise-instance started, changed, stopped; exercise-image-beta, exercise-launch-template-beta'
aws ec2 start-instances --instance-ids "$exercise" >/dev/null
see_within 60 'exercise-instance is running' is_state "$exercise" running
address=$(instance "$exercise" PublicIpAddress)
see_within 60 'the version there is answers on the started instance' application_answers
on "$address" "sudo sed -i \"s/res.send('.*')/res.send('$version_beta')/\" /var/www/aws-exercise-a/app.js && sync"
aws ec2 stop-instances --instance-ids "$exercise" >/dev/null
see_within 60 'exercise-instance is stopped' is_state "$exercise" stopped
beta=$(aws ec2 create-image --instance-id "$exercise" --name exercise-image-beta --query ImageId --output text)
see_within 60 'exercise-image-beta becomes available' image_is_available "$beta"
data=$(aws ec2 describe-launch-template-versions --launch-template-name exercise-launch-template --versions '$Default' \
  --query 'LaunchTemplateVersions[0].LaunchTemplateData' --output json)
aws ec2 create-launch-template --launch-template-name exercise-launch-template-beta --launch-template-data "${data/$image/$beta}" >/dev/null
create_group EXERCISE-GROUP-GREEN exercise-launch-template-beta 1 1 2
see_within 60 'an instance of EXERCISE-GROUP-GREEN runs' has_in_service EXERCISE-GROUP-GREEN 1
green=$(in_service EXERCISE-GROUP-GREEN)
see 'as long as it is not in the target group, only the old version answers' equal "$(answers "http://$name/" 8)" "$version_one"

step 'D7  green joins blue, then blue is set to 0,0,0'
watch_load "$folder/deployment" "http://$name/"
aws autoscaling attach-load-balancer-target-groups --auto-scaling-group-name EXERCISE-GROUP-GREEN --target-group-arns "$group"
see_within 60 'both are healthy in exercise-target-group' has_healthy 2
both=$EPOCHREALTIME
see 'answers alternate between the two versions' equal "$(answers "http://$name/" 12)" "$(printf '%s\n' "$version_beta" "$version_one" | sort)"
capacity EXERCISE-GROUP-BLUE 0 0 0
see_within 20 'blue drains' is_target "$group" "$blue" draining
see_within 90 'blue is terminated' all_ended "$blue"
see 'it is gone from exercise-target-group' equal "$(aws elbv2 describe-target-health --target-group-arn "$group" --query 'TargetHealthDescriptions[].Target.Id' --output text)" "$green"
see 'only the new version answers' equal "$(answers "http://$name/" 12)" "$version_beta"
end_load "$folder/deployment"
see "no request failed on the way ($(wc -l <"$folder/deployment") requests)" equal "$(cut -d' ' -f2 "$folder/deployment" | sort -u)" 200
printf '\nAll of D1, D2 and D4 to D7 was seen.\n'
