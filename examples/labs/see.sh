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

# see_within SECONDS WHAT COMMAND…: the command must succeed within so many seconds.
see_within() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    if ((SECONDS >= until)); then printf '   NOT SEEN in time: %s\n' "$what" >&2; exit 1; fi
    sleep 0.2
  done
  printf '   seen: %s\n' "$what"
}

equal() { [ "$1" = "$2" ] || { printf '   "%s" is not "%s"\n' "$1" "$2" >&2; return 1; }; }
holds() { case $1 in *"$2"*) return 0 ;; *) printf '   no "%s" in: %.400s\n' "$2" "$1" >&2; return 1 ;; esac; }

# page URL: the body; fails when there is no answer or it is an error.
page() { curl -sf --max-time 5 "$1"; }
# code URL: the status code, 000 without an answer.
code() { curl -s -o /dev/null -w '%{http_code}' --max-time 5 "$1" || true; }

instance() { aws ec2 describe-instances --instance-ids "$1" --query "Reservations[0].Instances[0].$2" --output text; }
target_state() {
  aws elbv2 describe-target-health --target-group-arn "$1" --targets "Id=$2" --query 'TargetHealthDescriptions[0].TargetHealth.State' --output text
}
in_service() {
  aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names "$1" \
    --query "AutoScalingGroups[0].Instances[?LifecycleState=='InService'].InstanceId" --output text
}
count() { wc -w <<<"$1"; }
has_in_service() { [ "$(count "$(in_service "$1")")" = "$2" ]; }
is_state() { [ "$(instance "$1" State.Name)" = "$2" ]; }
is_target() { [ "$(target_state "$1" "$2")" = "$3" ]; }
