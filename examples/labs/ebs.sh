#!/bin/bash
# EBS volumes, which the labs' servers keep their data on: attached, moved, snapshot while written to, grown, deleted.
# Needs a region that is up and its settings: eval "$(npx holdfast env --region us-west-2)"
source "$(dirname "$0")/see.sh"
source "$(dirname "$0")/network.sh"

clean_up() {
  set +e
  aws ec2 terminate-instances --instance-ids ${one:-} ${two:-} ${far:-} ${kept_by:-}
  insist all_ended ${one:-} ${two:-} ${far:-} ${kept_by:-}
  for each in ${volume:-} ${copy:-} ${kept:-}; do insist aws ec2 delete-volume --volume-id "$each"; done
  [ -n "${snapshot:-}" ] && aws ec2 delete-snapshot --snapshot-id "$snapshot"
  [ -n "${group:-}" ] && insist aws ec2 delete-security-group --group-id "$group"
  aws ec2 delete-key-pair --key-name lab-key
  rm -rf "$folder"
} >/dev/null 2>&1
trap clean_up EXIT

declare -A address
in_instance() { "${quiet_ssh[@]}" "admin@${address[$1]}" "sudo sh -ec '$2'"; }
volume_state() { aws ec2 describe-volumes --volume-ids "$1" --query 'Volumes[0].State' --output text; }
is_volume() { [ "$(volume_state "$1")" = "$2" ]; }
attachment() { aws ec2 describe-volumes --volume-ids "$1" --query 'Volumes[0].Attachments[0].[InstanceId,Device,State]' --output text | tr '\t' ' '; }
is_attached() { [ "$(attachment "$1")" = "$2 /dev/sdf attached" ]; }
is_busy() { holds "$(attachment "$1")" ' busy'; }
attach() { aws ec2 attach-volume --volume-id "$1" --instance-id "$2" --device /dev/sdf >/dev/null; }
snapshot_is() { [ "$(aws ec2 describe-snapshots --snapshot-ids "$snapshot" --query 'Snapshots[0].State' --output text)" = "$1" ]; }
size_of() { in_instance "$1" 'lsblk -bdno SIZE /dev/sdf'; }
is_size() { [ "$(size_of "$1")" = $(($2 << 30)) ]; }
grown() { [ "$(aws ec2 describe-volumes-modifications --volume-ids "$volume" --query 'VolumesModifications[0].ModificationState' --output text)" = "$1" ]; }
not_there() { refused InvalidVolume.NotFound aws ec2 describe-volumes --volume-ids "$1"; }

step 'two instances in one zone, one in another'
zones=($(aws ec2 describe-availability-zones --query 'AvailabilityZones[:2].ZoneName' --output text))
aws ec2 create-key-pair --key-name lab-key --query KeyMaterial --output text >"$folder/key.pem"
chmod 600 "$folder/key.pem"
group=$(aws ec2 create-security-group --group-name ebs --description 'SSH from anywhere' --query GroupId --output text)
allow "$group" 22 0.0.0.0/0
one=$(launch one --security-group-ids "$group" --placement "AvailabilityZone=${zones[0]}")
two=$(launch two --security-group-ids "$group" --placement "AvailabilityZone=${zones[0]}")
far=$(launch far --security-group-ids "$group" --placement "AvailabilityZone=${zones[1]}")
for each in "$one" "$two" "$far"; do
  see_within 60 "$each runs" is_state "$each" running
  address[$each]=$(instance "$each" PublicIpAddress)
done
for each in "$one" "$two" "$far"; do see_within 60 "the key pair logs in to $each" in_instance "$each" true; done

step 'a volume is attached, gets a file system and data'
volume=$(aws ec2 create-volume --size 1 --volume-type gp3 --availability-zone "${zones[0]}" --query VolumeId --output text)
see_within 30 'the volume becomes available' is_volume "$volume" available
attach "$volume" "$one"
see_within 30 'it is attached as /dev/sdf' is_attached "$volume" "$one"
see 'it is in use' is_volume "$volume" in-use
see_within 10 'the instance sees a disk of 1 GiB' is_size "$one" 1
in_instance "$one" 'mkfs.ext4 -q /dev/sdf && mkdir -p /data && mount /dev/sdf /data && echo kept >/data/file'
see 'it is mounted' holds "$(in_instance "$one" 'df --output=target /dev/sdf')" /data
see 'attached as it is, no other instance gets it' refused VolumeInUse attach "$volume" "$two"
see 'nor can it be deleted' refused VolumeInUse aws ec2 delete-volume --volume-id "$volume"

step 'it moves to another instance of its zone'
aws ec2 detach-volume --volume-id "$volume" >/dev/null
see_within 30 'as long as it is mounted, the detachment is busy' is_busy "$volume"
see 'and the instance has its data' equal "$(in_instance "$one" 'cat /data/file')" kept
in_instance "$one" 'umount /data'
see_within 30 'then it is available again' is_volume "$volume" available
see 'the first instance has it no more' not in_instance "$one" 'test -e /dev/sdf'
see 'an instance in another zone does not get it' refused InvalidVolume.ZoneMismatch attach "$volume" "$far"
attach "$volume" "$two"
see_within 30 'another instance of its zone does' is_attached "$volume" "$two"
in_instance "$two" 'mkdir -p /data && mount /dev/sdf /data'
see 'the data is there' equal "$(in_instance "$two" 'cat /data/file')" kept

step 'a snapshot while an instance writes'
in_instance "$two" 'cat >/root/write.py' <<'PYTHON'
import os, time
with open('/data/log', 'w') as file:
    for number in range(1, 1_000_000):
        file.write(f'{number}\n')
        file.flush()
        os.fsync(file.fileno())
        time.sleep(0.005)
PYTHON
in_instance "$two" 'systemd-run --quiet --unit write python3 /root/write.py'
written() { in_instance "$two" 'tail -n 1 /data/log'; }
has_written() { [ "$(written)" -gt 20 ]; }
see_within 10 'it writes' has_written
before=$(written)
snapshot=$(aws ec2 create-snapshot --volume-id "$volume" --description 'while it writes' --query SnapshotId --output text)
after=$(written)
see_within 60 'the snapshot is completed' snapshot_is completed
see 'the instance wrote on' test "$(written)" -gt "$after"
in_instance "$two" 'systemctl stop write'
copy=$(aws ec2 create-volume --snapshot-id "$snapshot" --availability-zone "${zones[1]}" --query VolumeId --output text)
see_within 30 'a volume from it in the other zone becomes available' is_volume "$copy" available
attach "$copy" "$far"
see_within 30 'and is attached to the instance there' is_attached "$copy" "$far"
in_instance "$far" 'mkdir -p /data && mount /dev/sdf /data'
see 'the data is there' equal "$(in_instance "$far" 'cat /data/file')" kept
read -r lines last < <(in_instance "$far" 'wc -l </data/log; tail -n 1 /data/log' | paste -sd' ')
see "of what was written, all up to one moment of the call: $last of $before to $after" test "$last" -ge "$before" -a "$last" -le "$after"
see 'without a gap' equal "$lines" "$last"

step 'it grows under the instance'
aws ec2 modify-volume --volume-id "$volume" --size 2 >/dev/null
see_within 60 'the modification goes through' grown completed
see_within 30 'the instance sees a disk of 2 GiB' is_size "$two" 2
blocks() { in_instance "$two" 'stat -fc %b /data'; }
small=$(blocks)
# Where the machine under Holdfast withholds CAP_SYS_RESOURCE from its own root, nothing mounted is resized.
in_instance "$two" 'resize2fs /dev/sdf' >"$folder/resize" 2>&1 ||
  in_instance "$two" 'umount /data && e2fsck -fp /dev/sdf && resize2fs /dev/sdf && mount /dev/sdf /data' >"$folder/resize" 2>&1
see 'after resize2fs, so does its file system' test "$(blocks)" -gt $((small * 3 / 2))
see 'the data is there' equal "$(in_instance "$two" 'cat /data/file')" kept
see 'a volume does not shrink' refused InvalidParameterValue aws ec2 modify-volume --volume-id "$volume" --size 1

step 'what is deleted with an instance, and what is not'
disk() { printf '{"DeviceName":"%s","Ebs":{"VolumeSize":1,"DeleteOnTermination":%s}}' "$1" "$2"; }
kept_by=$(launch kept-by --security-group-ids "$group" --block-device-mappings "[$(disk /dev/sdf true),$(disk /dev/sdg false)]")
see_within 60 'an instance with two more volumes runs' is_state "$kept_by" running
of_device() { instance "$kept_by" "BlockDeviceMappings[?DeviceName=='$1']|[0].Ebs.VolumeId"; }
gone=$(of_device /dev/sdf) kept=$(of_device /dev/sdg) root=$(of_device /dev/xvda)
aws ec2 terminate-instances --instance-ids "$kept_by" >/dev/null
see_within 60 'it is terminated' all_ended "$kept_by"
see_within 30 'its root volume is gone' not_there "$root"
see_within 30 'so is the volume that was to be deleted' not_there "$gone"
see_within 30 'the other one is there' is_volume "$kept" available

step 'volumes and snapshot are deleted'
for each in "$two:$volume" "$far:$copy"; do
  in_instance "${each%:*}" 'umount /data'
  aws ec2 detach-volume --volume-id "${each#*:}" >/dev/null
  see_within 30 "${each#*:} is detached" is_volume "${each#*:}" available
done
for each in "$volume" "$copy" "$kept"; do
  aws ec2 delete-volume --volume-id "$each"
  see_within 30 "$each is gone" not_there "$each"
done
aws ec2 delete-snapshot --snapshot-id "$snapshot"
see 'the snapshot is gone' refused InvalidSnapshot.NotFound aws ec2 describe-snapshots --snapshot-ids "$snapshot"
unset volume copy kept snapshot
printf '\nAll of it was seen.\n'
