/** GetLaunchTemplateData: a launch that would make an instance like this one. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { RequestContext } from '../../common/service.ts';
import { creditsOf } from '../instance/launch-options.ts';
import { instanceOf } from '../instance/power.ts';
import { shapeInstance, surroundings } from '../instance/shape.ts';
import { volumes } from '../volume/volume.ts';

const disk =
  ({ tx, region }: RequestContext) =>
  ({ DeviceName, Ebs }: ec2.InstanceBlockDeviceMapping): ec2.LaunchTemplateBlockDeviceMapping => {
    const volume = tx.get(volumes, region, Ebs?.VolumeId ?? '')?.spec;
    return {
      DeviceName,
      Ebs: {
        DeleteOnTermination: Ebs?.DeleteOnTermination,
        SnapshotId: volume?.snapshotId,
        VolumeSize: volume?.sizeGib,
        VolumeType: volume?.volumeType,
        Iops: volume?.iops,
        Throughput: volume?.throughput,
        Encrypted: false,
      },
    };
  };

const networkInterface = (
  one: ec2.InstanceNetworkInterface,
): ec2.LaunchTemplateInstanceNetworkInterfaceSpecification => ({
  DeviceIndex: one.Attachment?.DeviceIndex,
  DeleteOnTermination: one.Attachment?.DeleteOnTermination,
  Description: one.Description,
  Groups: (one.Groups ?? []).map((group) => group.GroupId ?? ''),
  InterfaceType: one.InterfaceType,
  Ipv6Addresses: [],
  NetworkInterfaceId: one.NetworkInterfaceId,
  PrivateIpAddress: one.PrivateIpAddress,
  PrivateIpAddresses: (one.PrivateIpAddresses ?? []).map(({ Primary, PrivateIpAddress }) => ({
    Primary,
    PrivateIpAddress,
  })),
  SubnetId: one.SubnetId,
});

/** Tags that AWS gave are not the launch's to give. */
function tags(type: ec2.ResourceType, given: ec2.Tag[] | undefined): ec2.LaunchTemplateTagSpecification[] {
  const own = (given ?? []).filter((tag) => !tag.Key?.startsWith('aws:'));
  return own.length === 0 ? [] : [{ ResourceType: type, Tags: own }];
}

export function getLaunchTemplateData(
  input: ec2.GetLaunchTemplateDataRequest,
  context: RequestContext,
): ec2.GetLaunchTemplateDataResult {
  const instance = instanceOf(context, input.InstanceId);
  const around = surroundings(context);
  const shown = shapeInstance(instance, around);
  const { spec } = instance;
  const credits = creditsOf(spec);
  return {
    LaunchTemplateData: {
      EbsOptimized: shown.EbsOptimized,
      BlockDeviceMappings: (shown.BlockDeviceMappings ?? []).map(disk(context)),
      NetworkInterfaces: (shown.NetworkInterfaces ?? []).map(networkInterface),
      ImageId: spec.imageId,
      InstanceType: shown.InstanceType,
      KeyName: spec.keyName,
      Monitoring: { Enabled: spec.monitoring },
      Placement: {
        AvailabilityZone: shown.Placement?.AvailabilityZone,
        GroupName: shown.Placement?.GroupName,
        Tenancy: 'default',
      },
      DisableApiTermination: spec.disableApiTermination,
      DisableApiStop: spec.disableApiStop ?? false,
      InstanceInitiatedShutdownBehavior: spec.shutdownBehavior,
      UserData: spec.userData || undefined,
      TagSpecifications: tags('instance', shown.Tags),
      CreditSpecification: credits && { CpuCredits: credits },
      CapacityReservationSpecification: {
        CapacityReservationPreference: spec.capacityReservations ?? 'open',
      },
      HibernationOptions: { Configured: false },
      EnclaveOptions: { Enabled: false },
      MetadataOptions: {
        HttpEndpoint: spec.metadataOptions.endpoint,
        HttpTokens: spec.metadataOptions.tokens,
        HttpPutResponseHopLimit: spec.metadataOptions.hopLimit,
        HttpProtocolIpv6: 'disabled',
        InstanceMetadataTags: spec.metadataOptions.instanceTags,
      },
      PrivateDnsNameOptions: shown.PrivateDnsNameOptions,
      MaintenanceOptions: { AutoRecovery: spec.autoRecovery ?? 'default' },
    },
  };
}
