/**
 * What the metadata service shows of one instance, as a tree of folders and texts.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html (categories, dynamic data)
 */
import type { InstanceMetadata } from '@holdfast/region/drivers/edge.ts';

export type MetadataNode = string | Uint8Array | MetadataFolder;
export type MetadataFolder = ReadonlyMap<string, MetadataNode>;

/** The versions that the service has had. All show the same tree. */
const versions = [
  '1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01 2009-04-04 2011-01-01',
  '2011-05-01 2012-01-12 2014-02-25 2014-11-05 2015-10-20 2016-04-19 2016-06-30 2016-09-02 2018-03-28 2018-08-17',
  '2018-09-24 2019-10-01 2020-10-27 2021-01-03 2021-03-23 2021-07-15 2022-09-24 latest',
].flatMap((line) => line.split(' '));

type Entries = readonly (readonly [string, MetadataNode | undefined])[];

/** A folder of the entries that are there. */
function folder(entries: Entries): MetadataFolder {
  return new Map(entries.filter((entry): entry is readonly [string, MetadataNode] => entry[1] !== undefined));
}

const optionalFolder = (entries: Entries): MetadataFolder | undefined =>
  entries.length === 0 ? undefined : folder(entries);

/** https://docs.aws.amazon.com/general/latest/gr/aws-arns-and-namespaces.html */
function servicesOf(region: string): MetadataFolder {
  const china = region.startsWith('cn-');
  const partition = china ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
  return folder([
    ['domain', china ? 'amazonaws.com.cn' : 'amazonaws.com'],
    ['partition', partition],
  ]);
}

type Interface = InstanceMetadata['interfaces'][number];

function interfaceFolder(metadata: InstanceMetadata, attached: Interface): MetadataFolder {
  const primary = attached.deviceIndex === 0;
  const associations =
    attached.associations?.map((one) => [one.publicAddress, one.privateAddress] as const) ??
    attached.publicAddresses.flatMap((publicAddress, index) => {
      const own = attached.addresses[index];
      return own === undefined ? [] : [[publicAddress, own] as const];
    });
  return folder([
    ['device-number', String(attached.deviceIndex)],
    ['interface-id', attached.interfaceId],
    ['ipv4-associations', optionalFolder(associations)],
    ['local-hostname', primary ? metadata.hostname : undefined],
    ['local-ipv4s', attached.addresses.join('\n')],
    ['mac', attached.macAddress],
    ['owner-id', metadata.accountId],
    ['public-hostname', primary ? metadata.publicHostname : undefined],
    ['public-ipv4s', attached.publicAddresses.length > 0 ? attached.publicAddresses.join('\n') : undefined],
    ['security-group-ids', attached.securityGroupIds.join('\n')],
    ['security-groups', attached.securityGroups.join('\n')],
    ['subnet-id', attached.subnetId],
    ['subnet-ipv4-cidr-block', attached.subnetCidr],
    ['vpc-id', attached.vpcId],
    ['vpc-ipv4-cidr-block', attached.vpcCidrs[0]],
    ['vpc-ipv4-cidr-blocks', attached.vpcCidrs.join('\n')],
  ]);
}

/** Public keys (OpenSSH lines) pushed by EC2 Instance Connect, by OS user. */
export type PushedKeys = ReadonlyMap<string, readonly string[]>;

const keysFolder = (keys: PushedKeys): MetadataFolder =>
  folder([['active-keys', folder([...keys].map(([user, lines]) => [user, `${lines.join('\n')}\n`]))]]);

function metaData(metadata: InstanceMetadata, keys: PushedKeys): MetadataFolder {
  const primary = metadata.interfaces.find(({ deviceIndex }) => deviceIndex === 0);
  const { publicKey, tags, rootDeviceName } = metadata;
  const macs = metadata.interfaces.map(
    (attached) => [attached.macAddress, interfaceFolder(metadata, attached)] as const,
  );
  return folder([
    ['ami-id', metadata.imageId],
    ['ami-launch-index', String(metadata.launchIndex)],
    ['ami-manifest-path', '(unknown)'],
    [
      'block-device-mapping',
      rootDeviceName === undefined
        ? undefined
        : folder([
            ['ami', rootDeviceName],
            ...(metadata.ebsDeviceNames ?? []).map((name, at) => [`ebs${at + 1}`, name] as const),
            ['root', rootDeviceName],
          ]),
    ],
    ['hostname', metadata.hostname],
    ['instance-action', 'none'],
    ['instance-id', metadata.instanceId],
    ['instance-life-cycle', metadata.lifecycle],
    ['instance-type', metadata.instanceType],
    ['local-hostname', metadata.hostname],
    ['local-ipv4', primary?.addresses[0]],
    ['mac', primary?.macAddress],
    ['managed-ssh-keys', keys.size === 0 ? undefined : keysFolder(keys)],
    ['network', folder([['interfaces', folder([['macs', folder(macs)]])]])],
    [
      'placement',
      folder([
        ['availability-zone', metadata.zone],
        ['availability-zone-id', metadata.zoneId],
        ['group-name', metadata.placementGroup],
        ['region', metadata.region],
      ]),
    ],
    ['profile', 'default-hvm'],
    ['public-hostname', metadata.publicHostname],
    ['public-ipv4', metadata.publicAddress],
    [
      'public-keys',
      publicKey && folder([[`0=${publicKey.name}`, folder([['openssh-key', publicKey.material]])]]),
    ],
    ['reservation-id', metadata.reservationId],
    ['security-groups', metadata.securityGroups.join('\n')],
    ['services', servicesOf(metadata.region)],
    ['tags', tags && folder([['instance', folder(Object.entries(tags))]])],
  ]);
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html */
function identityDocument(metadata: InstanceMetadata): string {
  const document = {
    accountId: metadata.accountId,
    architecture: metadata.architecture,
    availabilityZone: metadata.zone,
    billingProducts: null,
    devpayProductCodes: null,
    marketplaceProductCodes: null,
    imageId: metadata.imageId,
    instanceId: metadata.instanceId,
    instanceType: metadata.instanceType,
    kernelId: null,
    pendingTime: metadata.pendingTime.replace(/\.\d+Z$/, 'Z'),
    privateIp: metadata.interfaces.find(({ deviceIndex }) => deviceIndex === 0)?.addresses[0] ?? null,
    ramdiskId: null,
    region: metadata.region,
    version: '2017-09-30',
  };
  return JSON.stringify(document, null, 2);
}

function versionFolder(metadata: InstanceMetadata, keys: PushedKeys): MetadataFolder {
  return folder([
    ['dynamic', folder([['instance-identity', folder([['document', identityDocument(metadata)]])]])],
    ['meta-data', metaData(metadata, keys)],
    [
      'user-data',
      metadata.userData === undefined ? undefined : new Uint8Array(Buffer.from(metadata.userData, 'base64')),
    ],
  ]);
}

/** The whole tree of one instance, its versions at the root. */
export function metadataTree(metadata: InstanceMetadata, keys: PushedKeys = new Map()): MetadataFolder {
  const tree = versionFolder(metadata, keys);
  return new Map(versions.map((version) => [version, tree]));
}

/** A key is listed as `0=name` and asked for as `0`. */
function child(parent: MetadataFolder, name: string): MetadataNode | undefined {
  const exact = parent.get(name);
  if (exact !== undefined || !/^\d+$/.test(name)) return exact;
  for (const [key, node] of parent) if (key.startsWith(`${name}=`)) return node;
  return undefined;
}

/** What stands at a path, such as `/latest/meta-data/instance-id`; undefined when nothing does. */
export function findMetadata(tree: MetadataFolder, path: string): MetadataNode | undefined {
  let node: MetadataNode | undefined = tree;
  for (const part of path.split('/').filter((name) => name !== '')) {
    if (!(node instanceof Map)) return undefined;
    node = child(node, part);
  }
  return node;
}

/** The text of a folder: one name a line, folders with a slash, but for versions, their parts and keys. */
export function listMetadata(listed: MetadataFolder, path: string): string {
  const depth = path.split('/').filter((name) => name !== '').length;
  const names = [...listed].map(([name, node]) =>
    depth >= 2 && node instanceof Map && !/^\d+=/.test(name) ? `${name}/` : name,
  );
  return names.join('\n');
}
