/** Launch configurations: what came before launch templates. They cannot be changed, only replaced. */
import type * as autoscaling from '@aws-sdk/client-auto-scaling';
import type { LaunchTemplateBlockDeviceMappingRequest, RequestLaunchTemplateData } from '@aws-sdk/client-ec2';
import { refuseParameters } from '../common/errors.ts';
import { arn, newUuid } from '../common/names.ts';
import { listingPosition, paginate } from '../common/pagination.ts';
import type { RequestContext } from '../common/service.ts';
import { errors } from './errors.ts';
import { groups, type LaunchConfigurationRecord, launchConfigurations } from './records.ts';

/** Here a device is left out by a truth value; EC2 wants an empty text. */
const launchDevice = ({
  NoDevice,
  ...mapping
}: autoscaling.BlockDeviceMapping): LaunchTemplateBlockDeviceMappingRequest => ({
  ...(mapping as LaunchTemplateBlockDeviceMappingRequest),
  ...(NoDevice && { NoDevice: '' }),
});

/** And back, as it was said. */
const shownDevice = ({ NoDevice, ...mapping }: LaunchTemplateBlockDeviceMappingRequest) =>
  ({ ...mapping, ...(NoDevice !== undefined && { NoDevice: true }) }) as autoscaling.BlockDeviceMapping;

/** As a launch template would say it. */
function launchData(input: autoscaling.CreateLaunchConfigurationType): RequestLaunchTemplateData {
  const groupsGiven = input.SecurityGroups ?? [];
  const ids = groupsGiven.filter((group) => group.startsWith('sg-'));
  const names = groupsGiven.filter((group) => !group.startsWith('sg-'));
  // EC2 takes security groups at the interface or at the instance, never at both.
  const network =
    input.AssociatePublicIpAddress === undefined
      ? { SecurityGroupIds: ids, SecurityGroups: names }
      : {
          NetworkInterfaces: [
            { DeviceIndex: 0, AssociatePublicIpAddress: input.AssociatePublicIpAddress, Groups: ids },
          ],
        };
  if (input.AssociatePublicIpAddress !== undefined && names.length > 0) {
    throw errors.validation('AssociatePublicIpAddress needs security groups to be named by their ids');
  }
  return {
    ImageId: input.ImageId,
    InstanceType: input.InstanceType as RequestLaunchTemplateData['InstanceType'],
    KeyName: input.KeyName || undefined,
    UserData: input.UserData || undefined,
    BlockDeviceMappings: (input.BlockDeviceMappings ?? []).map(launchDevice),
    Monitoring: { Enabled: input.InstanceMonitoring?.Enabled ?? true },
    EbsOptimized: input.EbsOptimized,
    MetadataOptions: input.MetadataOptions as RequestLaunchTemplateData['MetadataOptions'],
    ...network,
  };
}

export function createLaunchConfiguration(
  input: autoscaling.CreateLaunchConfigurationType,
  context: RequestContext,
): Record<string, never> {
  const { LaunchConfigurationName: name = '' } = input;
  const { tx, region } = context;
  if (tx.get(launchConfigurations, region, name)) throw errors.configurationExists(name);
  refuseParameters('CreateLaunchConfiguration', input, [
    'InstanceId',
    'SpotPrice',
    'ClassicLinkVPCId',
    'ClassicLinkVPCSecurityGroups',
    'IamInstanceProfile',
  ]);
  if ((input.PlacementTenancy || 'default') !== 'default') {
    throw errors.unsupported(`the tenancy ${input.PlacementTenancy}`);
  }
  if (!input.ImageId) {
    throw errors.validation(
      'Valid requests must contain either the InstanceID parameter or both the ImageId and InstanceType parameters.',
    );
  }
  if (input.ImageId.startsWith('resolve:ssm:')) {
    // Launch templates alone take parameters: https://github.com/aws/aws-cdk/issues/28090
    throw errors.validation(
      `AMI ${input.ImageId} is invalid: Invalid id: "${input.ImageId}" (expecting "ami-...")`,
    );
  }
  if (!input.InstanceType) {
    throw errors.validation(
      'Valid requests must contain either the InstanceID parameter or both the ImageId and InstanceType parameters.',
    );
  }
  const resource = `launchConfiguration:${newUuid(context)}:launchConfigurationName/${name}`;
  const publicAddress = input.AssociatePublicIpAddress;
  tx.create(launchConfigurations, {
    region,
    id: name,
    spec: {
      arn: arn(context, 'autoscaling', resource),
      data: launchData(input),
      ...(publicAddress !== undefined && { associatePublicIpAddress: publicAddress }),
    },
    status: null,
  });
  return {};
}

function shown({ id, spec, createdAt }: LaunchConfigurationRecord): autoscaling.LaunchConfiguration {
  const { data } = spec;
  const interfaceGroups = data.NetworkInterfaces?.[0]?.Groups ?? [];
  return {
    LaunchConfigurationName: id,
    LaunchConfigurationARN: spec.arn,
    ImageId: data.ImageId,
    InstanceType: data.InstanceType,
    KeyName: data.KeyName ?? '',
    SecurityGroups: [...(data.SecurityGroupIds ?? []), ...(data.SecurityGroups ?? []), ...interfaceGroups],
    UserData: data.UserData ?? '',
    KernelId: '',
    RamdiskId: '',
    BlockDeviceMappings: (data.BlockDeviceMappings ?? []).map(shownDevice),
    InstanceMonitoring: { Enabled: data.Monitoring?.Enabled },
    EbsOptimized: data.EbsOptimized ?? false,
    AssociatePublicIpAddress: spec.associatePublicIpAddress,
    MetadataOptions: data.MetadataOptions as autoscaling.InstanceMetadataOptions | undefined,
    CreatedTime: new Date(createdAt),
  };
}

export function describeLaunchConfigurations(
  input: autoscaling.LaunchConfigurationNamesType,
  context: RequestContext,
): autoscaling.LaunchConfigurationsType {
  const names = input.LaunchConfigurationNames ?? [];
  const found = context.tx
    .list(launchConfigurations, context.region)
    .filter(({ id }) => names.length === 0 || names.includes(id));
  const page = paginate(context, found, listingPosition, {
    call: 'DescribeLaunchConfigurations',
    token: input.NextToken,
    limit: input.MaxRecords ?? 50,
    invalid: errors.invalidNextToken,
  });
  return { LaunchConfigurations: page.items.map(shown), NextToken: page.nextToken };
}

export function deleteLaunchConfiguration(
  input: autoscaling.LaunchConfigurationNameType,
  context: RequestContext,
): Record<string, never> {
  const { tx, region } = context;
  const name = input.LaunchConfigurationName ?? '';
  const found = tx.get(launchConfigurations, region, name);
  if (!found) throw errors.configurationNotFound(name);
  const user = tx
    .list(groups, region)
    .find(({ spec }) => spec.launch.kind === 'configuration' && spec.launch.name === name);
  if (user) throw errors.configurationInUse(name, user.id);
  tx.remove(found);
  return {};
}
