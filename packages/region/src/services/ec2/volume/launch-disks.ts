/**
 * The block devices of a launch: what the image maps, under what the caller says of the same devices.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
 */
import type { BlockDeviceMapping, EbsBlockDevice } from '@aws-sdk/client-ec2';
import type { VolumeOrigin } from '../../../drivers/volume.ts';
import type { ResourceKey, Tags } from '../../../store/resource.ts';
import { refuseParameters, unsupported } from '../../common/errors.ts';
import type { Scope } from '../../common/service.ts';
import { invalidBlockDeviceMapping } from '../compute-errors.ts';
import { missingParameter } from '../errors.ts';
import type { Image, ImageDisk } from '../image/image.ts';
import { recordAttachment, volumeLimit } from './attach.ts';
import { DEFAULT_VOLUME_TYPE, fromSnapshot, makeVolume } from './create.ts';
import { kernelName } from './device.ts';
import { attachmentLimitExceeded } from './errors.ts';
import { ROOT_DEVICE, type VolumeShape } from './volume.ts';
import { checkVolumeType, volumeShape } from './volume-type.ts';

/** One volume that an instance gets at its launch. */
export interface LaunchDisk {
  readonly device: string;
  readonly role: 'root' | 'data';
  readonly shape: VolumeShape;
  readonly origin: VolumeOrigin;
  readonly snapshotId?: string | undefined;
  readonly rootLayers?: readonly string[] | undefined;
  readonly deleteOnTermination: boolean;
}

/** What a mapping says of a volume when nothing of it is left out any more. */
type Ebs = Pick<
  EbsBlockDevice,
  'DeleteOnTermination' | 'Iops' | 'SnapshotId' | 'Throughput' | 'VolumeSize' | 'VolumeType'
>;

const UNSERVED = [
  'Encrypted',
  'KmsKeyId',
  'OutpostArn',
  'EbsCardIndex',
  'VolumeInitializationRate',
  'AvailabilityZone',
  'AvailabilityZoneId',
];

/** Refuses what a mapping of any call may say of a volume, and what is not done here. */
export const refuseUnserved = (operation: string, ebs: EbsBlockDevice): void =>
  refuseParameters(`${operation}, BlockDeviceMappings`, ebs, UNSERVED);

const ebsOf = ({ snapshotId, sizeGib, volumeType, iops, throughput, ...disk }: ImageDisk): Ebs => ({
  DeleteOnTermination: disk.deleteOnTermination,
  SnapshotId: snapshotId,
  VolumeSize: sizeGib,
  VolumeType: volumeType,
  Iops: iops,
  Throughput: throughput,
});

/** What the caller says over what the image says; another type has other figures, which are not the image's to say. */
function merged(below: Ebs | undefined, above: EbsBlockDevice): Ebs {
  const said = Object.fromEntries(Object.entries(above).filter(([, value]) => value !== undefined)) as Ebs;
  const otherType = said.VolumeType !== undefined && said.VolumeType !== below?.VolumeType;
  const { Iops: _, Throughput: __, ...unchanged } = below ?? {};
  return { ...(otherType ? unchanged : below), ...said };
}

/** Devices as the launch wants them, by the kernel's name; the root first. */
function mappings(image: Image, asked: readonly BlockDeviceMapping[]): Map<string, [string, Ebs]> {
  const root = kernelName(ROOT_DEVICE);
  const devices = new Map<string, [string, Ebs]>(
    image.disks.map((disk) => [kernelName(disk.device), [disk.device, ebsOf(disk)]]),
  );
  const seen = new Set<string>();
  for (const { DeviceName: device = '', Ebs: ebs, NoDevice, VirtualName } of asked) {
    const name = kernelName(device);
    if (seen.has(name)) {
      throw invalidBlockDeviceMapping(`The device '${device}' is used in more than one block-device mapping`);
    }
    seen.add(name);
    if (NoDevice !== undefined) {
      if (name === root) throw invalidBlockDeviceMapping('The root device cannot be suppressed');
      devices.delete(name);
      continue;
    }
    // A type without instance store leaves such a mapping out, as the page says; one with NVMe disks has them anyway.
    if (VirtualName !== undefined) {
      if (!/^ephemeral([0-9]|1[0-9]|2[0-3])$/.test(VirtualName)) {
        throw invalidBlockDeviceMapping(`Invalid device name ${VirtualName}`);
      }
      if (name === root) throw unsupported('an instance whose root device is instance store');
      continue;
    }
    if (!ebs) throw missingParameter('ebs');
    refuseUnserved('RunInstances', ebs);
    const below = devices.get(name)?.[1];
    if (name === root && ebs.SnapshotId && ebs.SnapshotId !== below?.SnapshotId) {
      throw invalidBlockDeviceMapping('snapshotId can only be modified on EBS devices');
    }
    devices.set(name, [name === root ? image.disks[0].device : device, merged(below, ebs)]);
  }
  return devices;
}

/** What is on the volume at first, and how large it is at least. */
function contents(scope: Scope, image: Image, isRoot: boolean, { SnapshotId, VolumeSize }: Ebs) {
  if (isRoot) {
    return { origin: image.origin, sizeGib: image.disks[0].sizeGib, rootLayers: image.layers };
  }
  if (SnapshotId) return fromSnapshot(scope, SnapshotId);
  if (VolumeSize === undefined) throw missingParameter('size or snapshotId');
  return { origin: { kind: 'empty' } as const, sizeGib: VolumeSize };
}

/** All volumes that each instance of the launch gets. Throws `InvalidBlockDeviceMapping` and what volumes throw. */
export function launchDisks(
  scope: Scope,
  image: Image,
  asked: readonly BlockDeviceMapping[] = [],
): LaunchDisk[] {
  return [...mappings(image, asked)].map(([name, [device, ebs]]) => {
    const isRoot = name === kernelName(ROOT_DEVICE);
    const source = contents(scope, image, isRoot, ebs);
    const sizeGib = ebs.VolumeSize ?? source.sizeGib;
    if (sizeGib < source.sizeGib) {
      throw invalidBlockDeviceMapping(
        `Volume of size ${sizeGib}GB is smaller than snapshot '${ebs.SnapshotId}', expect size >= ${source.sizeGib}GB`,
      );
    }
    const volumeType = checkVolumeType(ebs.VolumeType ?? DEFAULT_VOLUME_TYPE);
    if (isRoot && (volumeType === 'st1' || volumeType === 'sc1')) {
      throw invalidBlockDeviceMapping(`The volume type ${volumeType} cannot be used as a boot volume.`);
    }
    return {
      device,
      role: isRoot ? 'root' : 'data',
      shape: volumeShape({ sizeGib, volumeType, iops: ebs.Iops, throughput: ebs.Throughput }),
      origin: source.origin,
      snapshotId: ebs.SnapshotId || undefined,
      rootLayers: 'rootLayers' in source ? source.rootLayers : undefined,
      deleteOnTermination: ebs.DeleteOnTermination ?? isRoot,
    };
  });
}

/** Throws `AttachmentLimitExceeded`. */
export function checkDiskCount(instanceType: string, disks: number, interfaces: number): void {
  const limit = volumeLimit(instanceType, interfaces);
  if (disks > limit) throw attachmentLimitExceeded(instanceType, limit);
}

/** Makes an instance's volumes and has them attached. */
export function giveDisks(
  scope: Scope,
  instance: ResourceKey,
  zone: string,
  disks: readonly LaunchDisk[],
  tags: Tags,
): void {
  for (const { device, role, deleteOnTermination, ...disk } of disks) {
    const volume = makeVolume(scope, { ...disk, zone, tags });
    recordAttachment(scope, volume, { instanceId: instance.id, device, role, deleteOnTermination });
  }
}
