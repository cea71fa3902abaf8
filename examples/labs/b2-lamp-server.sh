#!/bin/bash
# Lab B2: a LAMP server in a public subnet: SSH from one address only, HTTP and HTTPS from anywhere.
# Needs a region that is up and its settings: eval "$(npx holdfast env --region us-west-2)"
source "$(dirname "$0")/see.sh"
source "$(dirname "$0")/network.sh"

clean_up() {
  set +e
  end_network "${vpc:-}" -- ${elsewhere:-} ${server:-}
  [ -n "${outside:-}" ] && insist aws ec2 delete-security-group --group-id "$outside"
} >/dev/null 2>&1
trap clean_up EXIT

to_server() { "${quiet_ssh[@]}" "admin@$address" "$@"; }
here_logs_in() { timeout 5 "${quiet_ssh[@]}" "admin@$address" true; }
elsewhere_logs_in() { timeout 5 "${quiet_ssh[@]}" -o ProxyCommand="${quiet_ssh[*]} -W %h:%p admin@$bastion" "admin@$address" true; }
visit() { page "http://$address/visit.php"; }
visit_is() { equal "$(visit)" "visit $1 from $my_address to PHP 8 on Apache"; }

step 'B2  another place in the internet, which also says from which address one comes'
aws ec2 create-key-pair --key-name lab-key --query KeyMaterial --output text >"$folder/key.pem"
chmod 600 "$folder/key.pem"
outside=$(aws ec2 create-security-group --group-name elsewhere --description 'SSH and HTTP from anywhere' --query GroupId --output text)
for port in 22 80; do allow "$outside" $port 0.0.0.0/0; done
elsewhere=$(launch elsewhere --security-group-ids "$outside")

step 'B2  a VPC with a public subnet'
vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
gateway=$(aws ec2 create-internet-gateway --query InternetGateway.InternetGatewayId --output text)
aws ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
public=$(make_subnet 10.0.0.0/24 "$(aws ec2 describe-availability-zones --query 'AvailabilityZones[0].ZoneName' --output text)")
aws ec2 modify-subnet-attribute --subnet-id "$public" --map-public-ip-on-launch
main=$(aws ec2 describe-route-tables --filters "Name=vpc-id,Values=$vpc" --query 'RouteTables[0].RouteTableId' --output text)
aws ec2 create-route --route-table-id "$main" --destination-cidr-block 0.0.0.0/0 --gateway-id "$gateway" >/dev/null

step 'B2  an instance with a new security group: SSH from my address, HTTP and HTTPS from anywhere'
see_within 60 'the other place is running' is_state "$elsewhere" running
bastion=$(instance "$elsewhere" PublicIpAddress)
see_within 60 'it answers' serves "http://$bastion/"
my_address=$(page "http://$bastion/")
web=$(make_group launch-wizard-1)
allow "$web" 22 "$my_address/32"
for port in 80 443; do allow "$web" $port 0.0.0.0/0; done
server=$(aws ec2 run-instances --image-id "$image" --instance-type t2.micro --key-name lab-key --subnet-id "$public" --security-group-ids "$web" \
  --tag-specifications 'ResourceType=instance,Tags=[{Key=Name,Value=lamp}]' --query 'Instances[0].InstanceId' --output text)
see_within 60 'it is running' is_state "$server" running
address=$(instance "$server" PublicIpAddress)
see_within 60 "SSH with the created key pair works from my address, $my_address" here_logs_in
see_within 60 'the other place answers to SSH' "${quiet_ssh[@]}" "admin@$bastion" true
see "SSH does not work from $bastion" not elsewhere_logs_in
ssh-keygen -q -t ed25519 -N '' -f "$folder/other.pem"
see 'nor with another key' not ssh -q -i "$folder/other.pem" -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no \
  -o UserKnownHostsFile=/dev/null "admin@$address" true

step 'B2  Apache, MariaDB and PHP on it'
to_server 'sudo sh -c "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends apache2 libapache2-mod-php php-mysql mariadb-server openssl"' >"$folder/install" 2>&1 ||
  { tail "$folder/install" >&2 && false; }
to_server "sudo openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=$address -addext subjectAltName=IP:$address \
  -keyout /etc/ssl/private/ssl-cert-snakeoil.key -out /etc/ssl/certs/ssl-cert-snakeoil.pem 2>/dev/null
  sudo a2enmod -q ssl && sudo a2ensite -q default-ssl && sudo systemctl restart apache2" >/dev/null
to_server sudo mariadb <<'SQL'
CREATE DATABASE lamp;
CREATE TABLE lamp.visits (id INT AUTO_INCREMENT PRIMARY KEY, visitor VARCHAR(64) NOT NULL);
CREATE USER lamp@localhost IDENTIFIED BY 'only-for-the-lab';
GRANT SELECT, INSERT ON lamp.visits TO lamp@localhost;
SQL
to_server sudo tee /var/www/html/visit.php >/dev/null <<'PHP'
<?php
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$database = new mysqli('localhost', 'lamp', 'only-for-the-lab', 'lamp');
$database->execute_query('INSERT INTO visits (visitor) VALUES (?)', [$_SERVER['REMOTE_ADDR']]);
$row = $database->query('SELECT COUNT(*) AS visits, MAX(id) AS last FROM visits')->fetch_assoc();
$last = $database->execute_query('SELECT visitor FROM visits WHERE id = ?', [$row['last']])->fetch_assoc();
printf("visit %d from %s to PHP %s on %s\n", $row['visits'], $last['visitor'], PHP_MAJOR_VERSION, strtok($_SERVER['SERVER_SOFTWARE'], '/'));
PHP
for service in apache2 mariadb; do
  see "$service runs, and will after a boot" equal "$(to_server "systemctl is-active $service; systemctl is-enabled $service" | paste -sd' ')" 'active enabled'
done
see 'a page written in PHP writes a row and reads it' visit_is 1
see 'the next visit is another row' visit_is 2
see 'HTTP works from elsewhere' equal "$("${quiet_ssh[@]}" "admin@$bastion" curl -s --max-time 5 "http://$address/visit.php")" "visit 3 from $bastion to PHP 8 on Apache"
to_server cat /etc/ssl/certs/ssl-cert-snakeoil.pem >"$folder/certificate.pem"
see 'HTTPS works for who trusts the certificate' equal \
  "$(curl -s --max-time 5 --cacert "$folder/certificate.pem" "https://$address/visit.php")" "visit 4 from $my_address to PHP 8 on Apache"
see 'and for nobody else' not curl -s --max-time 5 "https://$address/visit.php"
see 'the rows are in the database' equal "$(to_server sudo mariadb -N -e "'SELECT COUNT(*) FROM lamp.visits'")" 4
private=$(instance "$server" PrivateIpAddress)
to_server "sudo sed -i 's/^bind-address.*/bind-address = 0.0.0.0/' /etc/mysql/mariadb.conf.d/50-server.cnf && sudo systemctl restart mariadb"
see "the database listens at $private" to_server "bash -c '</dev/tcp/$private/3306'"
see 'but no group opens its port' not timeout 3 bash -c "</dev/tcp/$address/3306"

step 'B2  SSH from the other place instead'
aws ec2 authorize-security-group-ingress --group-id "$web" --protocol tcp --port 22 --cidr "$bastion/32" >/dev/null
aws ec2 revoke-security-group-ingress --group-id "$web" --protocol tcp --port 22 --cidr "$my_address/32" >/dev/null
see_within 10 'SSH works from there' elsewhere_logs_in
see 'and from my address no more' not here_logs_in
allow "$web" 22 "$my_address/32"

step 'B2  a reboot'
boot() { to_server ps -o lstart= -p 1; }
before=$(boot)
is_another_boot() { local now; now=$(boot) && [ "$now" != "$before" ]; }
aws ec2 reboot-instances --instance-ids "$server"
see_within 60 'the instance boots again' is_another_boot
see_within 30 'Apache answers again' serves "http://$address/"
see_within 30 'the page counts on where it was' visit_is 5
printf '\nAll of B2 was seen.\n'
