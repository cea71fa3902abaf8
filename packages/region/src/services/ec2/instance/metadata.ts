/** What the edge is told of an instance: its metadata, and its names. */
import type { InstanceMetadata, PublishedRecord } from '../../../drivers/edge.ts';
import type { Settings } from '../../../settings.ts';
import type { Reader } from '../../../store/store.ts';
import { zonesOf } from '../../common/geography.ts';
import { findBaseImage } from '../image/image.ts';
import { privateDnsName, publicDnsName } from '../network/dns-name.ts';
import { interfacesOfEndpoint, privateAddresses, publicMapping } from '../network/index.ts';
import { placementGroups } from '../placement-group/placement-group.ts';
import { type Instance, type NetworkInterface, securityGroups, subnets, vpcs } from '../records.ts';
import { attachmentsOf } from '../volume/volume.ts';

/** Every key of an instance begins like this, so that a dead one's can be found. */
export const keyPrefix = (instanceId: string): string => `instance/${instanceId}/`;

/** The id of the instance that a key belongs to. */
export const instanceOfKey = (key: string): string | undefined => /^instance\/(i-[0-9a-f]+)\//.exec(key)?.[1];

const NAME_TTL_SECONDS = 60;

/** Everything published of an instance, by key. Nothing without its network interfaces. */
export function publishedRecords(
  reader: Reader,
  instance: Instance,
  settings: Settings,
): Map<string, PublishedRecord> {
  const { region, id, spec } = instance;
  const records = new Map<string, PublishedRecord>();
  const attached = interfacesOfEndpoint(reader, region, id);
  const primary = attached[0];
  if (!primary) return records;
  const metadata = instanceMetadata(reader, instance, attached, settings);
  for (const { spec: at } of attached) {
    for (const address of privateAddresses(at)) {
      const record = { kind: 'metadata', vpcId: at.vpcId, address, metadata } as const;
      records.set(`${keyPrefix(id)}metadata/${address}`, record);
    }
  }
  const named = { kind: 'name', ttlSeconds: NAME_TTL_SECONDS } as const;
  const address = primary.spec.privateAddress;
  records.set(`${keyPrefix(id)}name/private`, {
    ...named,
    name: privateDnsName(region, address),
    vpcId: spec.vpcId,
    addresses: [address],
  });
  const publicAddress = publicMapping(primary.spec)?.publicAddress;
  if (publicAddress !== undefined && metadata.publicHostname !== undefined) {
    // Inside the VPC the public name leads to the private address, so that security groups by reference see it.
    const name = metadata.publicHostname;
    records.set(`${keyPrefix(id)}name/public`, { ...named, name, addresses: [publicAddress] });
    records.set(`${keyPrefix(id)}name/public-inside`, {
      ...named,
      name,
      vpcId: spec.vpcId,
      addresses: [address],
    });
  }
  return records;
}

function instanceMetadata(
  reader: Reader,
  instance: Instance,
  attached: readonly NetworkInterface[],
  settings: Settings,
): InstanceMetadata {
  const { region, id, spec, tags } = instance;
  const primary = attached[0]?.spec;
  const address = primary?.privateAddress ?? '';
  const publicAddress = primary && publicMapping(primary)?.publicAddress;
  const hasPublicName = reader.get(vpcs, region, spec.vpcId)?.spec.enableDnsHostnames ?? false;
  const group = reader.get(placementGroups, region, spec.placementGroupId ?? '');
  const { endpoint, tokens, hopLimit, instanceTags } = spec.metadataOptions;
  return {
    instanceId: id,
    imageId: spec.imageId,
    instanceType: spec.instanceType,
    reservationId: spec.reservationId,
    accountId: settings.accountId,
    region,
    zone: spec.zone,
    zoneId: zonesOf(region).find((zone) => zone.name === spec.zone)?.id ?? '',
    ...(group && { placementGroup: group.spec.name }),
    architecture: architectureOf(reader, instance),
    launchIndex: spec.launchIndex,
    pendingTime: `${new Date(spec.launchedAt).toISOString().slice(0, 19)}Z`,
    ...(spec.userData && { userData: spec.userData }),
    hostname: privateDnsName(region, address),
    ...(publicAddress !== undefined && {
      publicAddress,
      ...(hasPublicName && { publicHostname: publicDnsName(region, publicAddress) }),
    }),
    ...(spec.keyName !== undefined &&
      spec.publicKey !== undefined && { publicKey: { name: spec.keyName, material: spec.publicKey } }),
    securityGroups: groupNames(reader, region, primary?.securityGroupIds ?? []),
    ...(instanceTags === 'enabled' && { tags }),
    lifecycle: 'on-demand',
    rootDeviceName: spec.rootDevice,
    ebsDeviceNames: ebsDevices(reader, instance),
    interfaces: attached.map((one) => interfaceMetadata(reader, one)),
    options: { endpoint, tokens, hopLimit },
  };
}

/** Data volumes that it had when it was last started, as the page says, without their folder. */
const ebsDevices = (reader: Reader, { region, id, spec }: Instance): string[] =>
  attachmentsOf(reader, region, id)
    .filter((one) => one.spec.role === 'data' && one.spec.attachedAt <= spec.launchedAt)
    .map((one) => one.spec.device.replace(/^\/dev\//, ''));

/** The base layer says for which processor an image is. */
const architectureOf = (reader: Reader, { spec }: Instance): string =>
  findBaseImage(reader, spec.layers[0])?.spec.architecture ?? 'x86_64';

function interfaceMetadata(
  reader: Reader,
  { id, region, spec }: NetworkInterface,
): InstanceMetadata['interfaces'][number] {
  const associations = privateAddresses(spec).flatMap((address) => {
    const mapping = publicMapping(spec, address);
    return mapping ? [{ privateAddress: address, publicAddress: mapping.publicAddress }] : [];
  });
  return {
    interfaceId: id,
    deviceIndex: spec.attachment?.deviceIndex ?? 0,
    macAddress: spec.macAddress,
    addresses: privateAddresses(spec),
    publicAddresses: associations.map((one) => one.publicAddress),
    associations,
    subnetId: spec.subnetId,
    subnetCidr: reader.get(subnets, region, spec.subnetId)?.spec.cidr ?? '',
    vpcId: spec.vpcId,
    vpcCidrs: reader.get(vpcs, region, spec.vpcId)?.spec.cidrs ?? [],
    securityGroupIds: spec.securityGroupIds,
    securityGroups: groupNames(reader, region, spec.securityGroupIds),
  };
}

const groupNames = (reader: Reader, region: string, ids: readonly string[]): string[] =>
  ids.map((id) => reader.get(securityGroups, region, id)?.spec.name ?? id);
