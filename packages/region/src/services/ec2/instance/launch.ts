/**
 * Launching instances: the way of RunInstances and of every service that launches. It writes what is wanted; the loop
 * `ec2.instance` brings it about.
 *
 * The light init is asked for by the tag `holdfast:init` = `nano` at launch: AWS has no parameter that could say it.
 */
import type { RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { ResourceKey, Tags } from '../../../store/resource.ts';
import { AwsError, unsupported } from '../../common/errors.ts';
import { newId } from '../../common/names.ts';
import type { Scope } from '../../common/service.ts';
import * as compute from '../compute-errors.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';
import { type Image, launchableImage } from '../image/image.ts';
import { mappingTags } from '../image/mapping.ts';
import { instanceTypes } from '../instance-types.ts';
import { keyPairNamed } from '../key-pair/key-pair.ts';
import {
  attachInterface,
  checkAttachable,
  checkInterfaceCount,
  createInstanceInterface,
  deleteInterface,
  interfaceOf,
  interfacesOfEndpoint,
  resolveSecurityGroups,
  subnetOf,
} from '../network/index.ts';
import { requestedPlacementGroup } from '../placement-group/placement-group.ts';
import { type Instance, type InstanceSpec, instances, type Subnet } from '../records.ts';
import { specifiedTags } from '../tags.ts';
import { checkDiskCount, giveDisks, type LaunchDisk, launchDisks } from '../volume/launch-disks.ts';
import { launchOptions } from './launch-options.ts';
import {
  type LaunchRequest,
  type NetworkRequest,
  networkRequest,
  refuseLaunchParameters,
  settle,
} from './launch-request.ts';
import { chooseSubnet, placeOn } from './place.ts';
import { newStatus, PENDING_REASON } from './state.ts';

export type { LaunchRequest } from './launch-request.ts';

/** What a launch of several comes to its end by, when it has come to its least number. */
const NO_ROOM = new Set(['InsufficientFreeAddressesInSubnet', 'InsufficientInstanceCapacity']);

export const MAXIMUM_USER_DATA_BYTES = 16_384;

/**
 * Launches from MinCount to MaxCount instances, all of one reservation and in one zone. Throws AWS's own errors:
 * `InvalidAMIID.*`, `InvalidKeyPair.NotFound`, `InsufficientInstanceCapacity` and so on.
 */
export function launchInstances(scope: Scope, launch: LaunchRequest): Instance[] {
  const { request, template } = settle(scope, launch);
  refuseLaunchParameters('RunInstances', request);
  const { minimum, maximum } = counts(request);
  const image = launchableImage(scope, request.ImageId || missing('ImageId'));
  const tags = launchTags(request, { ...mappingTags(image), ...launch.reservedTags }, template);
  const network = networkRequest(scope.region, launch, request);
  if (maximum > 1) refuseForSeveral(network);
  const common = commonSpec(scope, request, image, tags.instance);
  checkInterfaceCount(common.instanceType, 1 + network.others.length);
  const subnet = chooseSubnet(scope, network, common);
  const { vpcId } = subnet.spec;
  const groupIds = resolveSecurityGroups(scope, vpcId, network.primary.groupIds, network.groupNames);
  const disks = launchDisks(scope, image, request.BlockDeviceMappings);
  checkDiskCount(common.instanceType, disks.length, 1 + network.others.length);
  const place: Place = { network, subnet, groupIds, tags, disks };
  const reservationId = newId(scope, 'r');
  const launched: Instance[] = [];
  for (let index = 0; index < maximum; index += 1) {
    try {
      launched.push(launchOne(scope, { ...common, reservationId, launchIndex: index }, place));
    } catch (error) {
      const enough = launched.length >= minimum && error instanceof AwsError;
      if (enough && NO_ROOM.has(error.code)) break;
      throw error;
    }
  }
  return launched;
}

/** What only one instance can have. */
function refuseForSeveral({ primary, others }: NetworkRequest): void {
  for (const one of [primary, ...others]) {
    if (one.privateAddress !== undefined || one.secondary.addresses?.length) {
      throw invalidParameterCombination('Private IP address may not be specified for multiple instances');
    }
    if (one.interfaceId !== undefined) {
      throw invalidParameterCombination('Network interface may not be specified for multiple instances');
    }
  }
}

function missing(name: string): never {
  throw missingParameter(name);
}

function counts(request: RunInstancesRequest): { minimum: number; maximum: number } {
  const minimum = request.MinCount ?? missing('MinCount');
  const maximum = request.MaxCount ?? missing('MaxCount');
  for (const [name, value] of [
    ['minCount', minimum],
    ['maxCount', maximum],
  ] as const) {
    if (value < 1) {
      throw invalidParameterValue(`Value (${value}) for parameter ${name} is invalid. Minimum value is 1.`);
    }
  }
  if (minimum > maximum) {
    throw invalidParameterValue(
      `Value (${minimum}) for parameter minCount is invalid. It must not be greater than maxCount (${maximum}).`,
    );
  }
  return { minimum, maximum };
}

interface LaunchTags {
  readonly instance: Tags;
  readonly volume: Tags;
  readonly interface: Tags;
}

function launchTags(
  request: RunInstancesRequest,
  reserved: Tags | undefined,
  template: { id: string; version: string } | undefined,
): LaunchTags {
  const others = ['instance', 'volume', 'network-interface', 'spot-instances-request'] as const;
  const tagsOf = (type: 'instance' | 'volume' | 'network-interface'): Tags =>
    specifiedTags(request.TagSpecifications, type, others);
  return {
    instance: {
      ...tagsOf('instance'),
      // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-launch-template.html: how to find a template's instances
      ...(template && {
        'aws:ec2launchtemplate:id': template.id,
        'aws:ec2launchtemplate:version': template.version,
      }),
      ...reserved,
    },
    volume: tagsOf('volume'),
    interface: tagsOf('network-interface'),
  };
}

/** The raw bytes' base64. */
export function checkUserData(userData: string | undefined): string | undefined {
  if (userData === undefined || userData === '') return undefined;
  const compact = userData.replace(/\s/g, '');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(compact)) throw compute.userDataMalformed();
  if (Buffer.from(compact, 'base64').length > MAXIMUM_USER_DATA_BYTES) throw compute.userDataTooLarge();
  return compact;
}

export function checkInstanceType(type: string): string {
  if (!instanceTypes.has(type)) throw compute.invalidInstanceType(type);
  return type;
}

type CommonSpec = Omit<
  InstanceSpec,
  'reservationId' | 'launchIndex' | 'zone' | 'hostId' | 'vpcId' | 'subnetId'
>;

function commonSpec(scope: Scope, request: RunInstancesRequest, image: Image, tags: Tags): CommonSpec {
  const keyPair = request.KeyName ? keyPairNamed(scope, request.KeyName) : undefined;
  const userData = checkUserData(request.UserData);
  const instanceType = checkInstanceType(request.InstanceType || missing('InstanceType'));
  const group = requestedPlacementGroup(scope, request.Placement);
  return {
    imageId: image.id,
    layers: image.layers,
    rootDevice: image.disks[0].device,
    instanceType,
    ...(keyPair && { keyName: keyPair.spec.name, publicKey: keyPair.spec.publicKey }),
    ...(userData !== undefined && { userData }),
    launchedAt: scope.now,
    init: tags['holdfast:init'] === 'nano' ? 'nano' : 'systemd',
    ...launchOptions(request, instanceType),
    ...(group && { placementGroupId: group.id }),
    wanted: 'running',
    boot: 1,
    stateReason: PENDING_REASON,
    ...(request.ClientToken && { clientToken: request.ClientToken }),
  };
}

interface Place {
  readonly network: NetworkRequest;
  readonly subnet: Subnet;
  readonly groupIds: readonly string[];
  readonly tags: LaunchTags;
  readonly disks: readonly LaunchDisk[];
}

/** All of its interfaces or none: what was launched before stays when there is room for no further one. */
function giveInterfaces(scope: Scope, instance: ResourceKey, place: Place): void {
  try {
    makeInterfaces(scope, instance, place);
  } catch (error) {
    for (const { id } of interfacesOfEndpoint(scope.tx, scope.region, instance.id))
      deleteInterface(scope, id);
    throw error;
  }
}

/** The interfaces that it is to have, in the order of their devices. Several get no public address by themselves. */
function makeInterfaces(scope: Scope, instance: ResourceKey, place: Place): void {
  const { subnet, network } = place;
  for (const one of [network.primary, ...network.others]) {
    const { deviceIndex, deleteOnTermination, interfaceId } = one;
    if (interfaceId !== undefined) {
      const found = interfaceOf(scope, interfaceId);
      checkAttachable(scope, found, subnet.spec);
      attachInterface(scope, found, { instanceId: instance.id, deviceIndex, deleteOnTermination });
      continue;
    }
    const own = one === network.primary ? subnet : subnetOf(scope, one.subnetId ?? subnet.id);
    if (own.spec.zone !== subnet.spec.zone) {
      throw invalidParameterCombination('All network interfaces must be in the same availability zone.');
    }
    if (own.spec.vpcId !== subnet.spec.vpcId)
      throw unsupported('an instance with interfaces in several VPCs');
    createInstanceInterface(scope, {
      instance,
      subnetId: own.id,
      securityGroupIds: one === network.primary ? place.groupIds : one.groupIds,
      privateAddress: one.privateAddress,
      secondary: one.secondary,
      associatePublicAddress: network.others.length > 0 ? false : one.associatePublicAddress,
      deviceIndex,
      deleteOnTermination,
      description: one.description,
      tags: place.tags.interface,
    });
  }
}

function launchOne(
  scope: Scope,
  common: CommonSpec & Pick<InstanceSpec, 'reservationId' | 'launchIndex'>,
  place: Place,
): Instance {
  const { subnet } = place;
  const id = newId(scope, 'i');
  const key = { kind: instances.kind, region: scope.region, id };
  const hostId = placeOn(scope, subnet.spec.zone, common);
  giveInterfaces(scope, key, place);
  giveDisks(scope, key, subnet.spec.zone, place.disks, place.tags.volume);
  return scope.tx.create(instances, {
    region: scope.region,
    id,
    spec: {
      ...common,
      zone: subnet.spec.zone,
      hostId,
      vpcId: subnet.spec.vpcId,
      subnetId: subnet.id,
    },
    status: newStatus,
    tags: place.tags.instance,
  });
}
