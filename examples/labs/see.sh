# What the labs share: saying a step, and holding what must be seen. Sourced, not run.
set -euo pipefail
export AWS_PAGER=

step() { printf '\n== %s\n' "$*"; }

# see WHAT COMMAND…: the command must succeed.
see() {
  local what=$1
  shift
  if "$@"; then printf '   seen: %s\n' "$what"; else printf '   NOT SEEN: %s\n' "$what" >&2; exit 1; fi
}

# see_within SECONDS WHAT COMMAND…: the command must succeed within so many seconds. What it says of its failures is shown
# when it never does.
see_within() {
  local until=$((SECONDS + $1)) what=$2 said
  shift 2
  until said=$("$@" 2>&1 >/dev/null); do
    if ((SECONDS >= until)); then printf '%s\n   NOT SEEN in time: %s\n' "$said" "$what" >&2; exit 1; fi
    sleep 0.2
  done
  printf '   seen: %s\n' "$what"
}

equal() { [ "$1" = "$2" ] || { printf '   "%s" is not "%s"\n' "$1" "$2" >&2; return 1; }; }
not() { ! "$@"; }
holds() { case $1 in *"$2"*) return 0 ;; *) printf '   no "%s" in: %.400s\n' "$2" "$1" >&2; return 1 ;; esac; }

# refused CODE COMMAND…: the command must fail, and with this code.
refused() { local said; ! said=$("${@:2}" 2>&1) && holds "$said" "($1)"; }

# page URL: the body; fails when there is no answer or it is an error.
page() { curl -sf --max-time 5 "$1"; }
serves() { page "$1" >/dev/null; }
# code URL: the status code, 000 without an answer.
code() { curl -s -o /dev/null -w '%{http_code}' --max-time 5 "$1" || true; }

# What follows asks as often as it is called; `aws … wait` would look every 15 seconds only.
instance() { aws ec2 describe-instances --instance-ids "$1" --query "Reservations[0].Instances[0].$2" --output text; }
target_state() {
  aws elbv2 describe-target-health --target-group-arn "$1" --targets "Id=$2" --query 'TargetHealthDescriptions[0].TargetHealth.State' --output text
}
in_service() {
  aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names "$1" \
    --query "AutoScalingGroups[0].Instances[?LifecycleState=='InService'].InstanceId" --output text
}
count() { wc -w <<<"$1"; }
has_in_service() {
  local members
  members=$(in_service "$1") && [ "$(count "$members")" = "$2" ]
}
all_ended() {
  [ "$(aws ec2 describe-instances --instance-ids "$@" --query 'Reservations[].Instances[].State.Name' --output text | tr '\t' '\n' | sort -u)" = terminated ]
}
is_state() { [ "$(instance "$1" State.Name)" = "$2" ]; }
is_active() { [ "$(aws elbv2 describe-load-balancers --load-balancer-arns "$1" --query 'LoadBalancers[0].State.Code' --output text)" = active ]; }
is_target() { [ "$(target_state "$1" "$2")" = "$3" ]; }
image_is_available() { [ "$(aws ec2 describe-images --image-ids "$1" --query 'Images[0].State' --output text)" = available ]; }
snapshot_of() { aws ec2 describe-images --image-ids "$1" --query 'Images[0].BlockDeviceMappings[0].Ebs.SnapshotId' --output text; }
# answers URL N: the different answers among N.
answers() {
  local left
  for ((left = $2; left > 0; left--)); do
    page "$1" || echo 'no answer'
    echo
  done | sed '/^$/d' | sort -u
}
answers_are() { [ "$(answers "$1" 12)" = "$2" ]; }

# watch_load FILE URL [PAUSE [TIMEOUT]]: in the background one request after the other, for at most four minutes: time, status
# code and body of each as a line of the file. Between them is a pause, in seconds. end_load stops it.
watch_load() {
  local file=$1 url=$2 pause=${3:-0.05} timeout=${4:-5} until=$((SECONDS + 240)) body
  while ((SECONDS < until)) && [ ! -e "$file.end" ] && [ -d "/proc/$$" ]; do
    body=$(curl -s -w ' %{http_code}' --max-time "$timeout" "$url" || true)
    printf '%s %s %s\n' "$EPOCHREALTIME" "${body##* }" "$(tr -d '\n' <<<"${body% *}")" >>"$file"
    sleep "$pause"
  done &
  load=$!
}
end_load() {
  touch "$1.end"
  wait "$load"
}

# insist COMMAND…: again and again for half a minute, for what others must first let go of.
insist() {
  local until=$((SECONDS + 30))
  until "$@"; do
    ((SECONDS < until)) || return 1
    sleep 0.5
  done
}
# end_groups NAME…: deletes Auto Scaling groups with their instances and waits until they are gone.
end_groups() {
  local name
  for name; do aws autoscaling delete-auto-scaling-group --auto-scaling-group-name "$name" --force-delete; done
  insist groups_are_gone "$@"
}
groups_are_gone() {
  [ -z "$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names "$@" --query 'AutoScalingGroups[].AutoScalingGroupName' --output text)" ]
}
