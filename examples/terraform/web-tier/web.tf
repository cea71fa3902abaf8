resource "aws_lb" "main" {
  name               = var.name
  load_balancer_type = "application"
  security_groups    = [aws_security_group.load_balancer.id]
  subnets            = [for subnet in aws_subnet.public : subnet.id]

  depends_on = [aws_default_route_table.public]
}

resource "aws_lb_target_group" "web" {
  name                 = var.name
  port                 = 80
  protocol             = "HTTP"
  vpc_id               = aws_vpc.main.id
  deregistration_delay = 10

  health_check {
    interval = 5
    timeout  = 2
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.main.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_launch_template" "web" {
  name_prefix            = "${var.name}-"
  image_id               = data.aws_ami.base.id
  instance_type          = "t3.micro"
  vpc_security_group_ids = [aws_security_group.web.id]
  update_default_version = true

  user_data = base64encode(<<-SCRIPT
    #!/bin/sh
    mkdir -p /srv/web
    echo "${var.page} from $(hostname)" >/srv/web/index.html
    systemd-run python3 -m http.server 80 --directory /srv/web
  SCRIPT
  )

  metadata_options {
    http_tokens = "required"
  }

  monitoring {
    enabled = true
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Tier = "web" }
  }
}

# Two instances, one in each zone. One that dies, or that the load balancer finds unhealthy, is replaced.
resource "aws_autoscaling_group" "web" {
  name                      = var.name
  min_size                  = 2
  max_size                  = 4
  vpc_zone_identifier       = [for subnet in aws_subnet.private : subnet.id]
  target_group_arns         = [aws_lb_target_group.web.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 30
  wait_for_elb_capacity     = 2

  launch_template {
    id      = aws_launch_template.web.id
    version = aws_launch_template.web.latest_version
  }

  tag {
    key                 = "Name"
    value               = "${var.name}-web"
    propagate_at_launch = true
  }

  depends_on = [aws_lb_listener.http, aws_route_table_association.private]
}
