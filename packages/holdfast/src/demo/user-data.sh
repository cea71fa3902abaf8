#!/bin/sh
# A web page that says which instance serves it, as a service that comes back at every boot.
token=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' http://169.254.169.254/latest/api/token)
about() { curl -s -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"; }
mkdir -p /srv/web
printf '%s %s\n' "$(about instance-id)" "$(about placement/availability-zone)" > /srv/web/page
cat > /srv/web/serve.py <<'PROGRAM'
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = open("/srv/web/page", "rb").read()


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two small packets; the second must not wait until the first is acknowledged.
    disable_nagle_algorithm = True

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *about):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


Server(("", 80), Page).serve_forever()
PROGRAM
cat > /etc/systemd/system/web.service <<'UNIT'
[Service]
ExecStart=/usr/bin/python3 -S /srv/web/serve.py
Restart=always

[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --now web.service
