#!/bin/sh
# Serves a page that says where it comes from.
metadata=http://169.254.169.254/latest
token=$(curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $metadata/api/token)
get() { curl -sH "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/$1"; }
mkdir -p /srv/web
echo "${page}: $(get tags/instance/Name) in $(get placement/availability-zone)" >/srv/web/index.html
cat >/etc/systemd/system/web.service <<'UNIT'
[Service]
ExecStart=/usr/bin/python3 -u -m http.server ${port} --directory /srv/web
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --now web
