#!/bin/bash
# Lab E7: which regions there are, which zones each has, and what is bound to which.
# Needs a region that is up and its settings: eval "$(npx holdfast env --region us-west-2)"
source "$(dirname "$0")/see.sh"

clean_up() {
  [ -z "${subnet:-}" ] || aws ec2 delete-subnet --subnet-id "$subnet"
  [ -z "${vpc:-}" ] || aws ec2 delete-vpc --vpc-id "$vpc"
} >/dev/null 2>&1
trap clean_up EXIT

regions() { aws ec2 describe-regions --output text "$@"; }
zones() { aws ec2 describe-availability-zones --output text "$@"; }
names='AvailabilityZones[].ZoneName'
here=$AWS_DEFAULT_REGION

step 'E7  the regions'
all=$(regions --query 'Regions[].RegionName')
for region in us-east-1 us-west-2 eu-west-1 ap-northeast-2 sa-east-1; do see "$region is one of $(count "$all")" holds " ${all//$'\t'/ } " " $region "; done
see 'a region shows its endpoint, its name and whether one must opt in' equal \
  "$(regions --region-names eu-west-1 --query 'Regions[0].[Endpoint,OptInStatus,RegionName]')" $'ec2.eu-west-1.amazonaws.com\topt-in-not-required\teu-west-1'
see 'two by their names' equal "$(regions --region-names us-east-1 eu-west-1 --query 'sort_by(Regions,&RegionName)[].RegionName')" $'eu-west-1\tus-east-1'
see 'those that an account has opted in to' holds "$(regions --filters Name=opt-in-status,Values=opted-in --query 'Regions[].RegionName')" af-south-1
see 'by a pattern of their endpoints' equal "$(regions --filters 'Name=endpoint,Values=ec2.us-west-*' --query 'sort_by(Regions,&RegionName)[].RegionName')" $'us-west-1\tus-west-2'
see 'with those that are not enabled: no more, for all are' equal "$(count "$(regions --all-regions --query 'Regions[].RegionName')")" "$(count "$all")"
see 'a region that does not exist is refused' refused InvalidParameterValue regions --region-names us-moon-1

step 'E7  the zones of a region'
for each in us-east-1:6 us-west-2:4 ap-northeast-2:4 eu-west-1:3; do
  region=${each%:*}
  found=$(zones --region "$region" --query "AvailabilityZones[?RegionName=='$region' && State=='available' && starts_with(ZoneName,'$region')].ZoneName")
  see "$region has ${each#*:}: ${found//$'\t'/ }" equal "$(count "$found")" "${each#*:}"
done
see 'a zone shows its id, its type and its group' equal \
  "$(zones --region ap-northeast-2 --zone-names ap-northeast-2a --query 'AvailabilityZones[0].[ZoneId,ZoneType,OptInStatus,GroupName,NetworkBorderGroup]')" \
  $'apne2-az1\tavailability-zone\topt-in-not-required\tap-northeast-2-zg-1\tap-northeast-2'
see 'the id is the zone, whatever letter the account calls it' equal "$(zones --region ap-northeast-2 --zone-ids apne2-az1 --query "$names")" ap-northeast-2a
see 'by a filter' equal "$(zones --region us-east-1 --filters Name=zone-id,Values=use1-az2,use1-az3 --query "$names")" $'us-east-1b\tus-east-1c'
see 'Local Zones and Wavelength Zones: none' equal \
  "$(zones --region us-west-2 --all-availability-zones --query "AvailabilityZones[?ZoneType!='availability-zone'].ZoneName")" ''
see 'a zone of another region is refused' refused InvalidParameterValue zones --region us-west-2 --zone-names us-east-1a

step 'E7  a VPC is bound to its region, a subnet to its zone'
vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
first=$(zones --query 'AvailabilityZones[0].ZoneId')
subnet=$(aws ec2 create-subnet --vpc-id "$vpc" --cidr-block 10.0.0.0/24 --availability-zone-id "$first" --query Subnet.SubnetId --output text)
see "the subnet lies in the zone that was asked for by the id $first" equal \
  "$(aws ec2 describe-subnets --subnet-ids "$subnet" --query 'Subnets[0].AvailabilityZone' --output text)" "$(zones --zone-ids "$first" --query "$names")"
other=$([ "$here" = eu-west-1 ] && echo eu-west-2 || echo eu-west-1)
see "$other knows nothing of the VPC" refused InvalidVpcID.NotFound aws ec2 describe-vpcs --region "$other" --vpc-ids "$vpc"
see "nor has the VPC subnets in a zone of $other" refused InvalidParameterValue aws ec2 create-subnet --vpc-id "$vpc" --cidr-block 10.0.1.0/24 --availability-zone "${other}a"
printf '\nAll of E7 was seen.\n'
