/** What the region has published, in memory and indexed by how it is asked for. */
import type { InstanceMetadata, PublishedRecord } from '@holdfast/region/drivers/edge.ts';

export type VpcRecord = Extract<PublishedRecord, { kind: 'vpc' }>;
export type MetadataRecord = Extract<PublishedRecord, { kind: 'metadata' }>;
export type NameRecord = Extract<PublishedRecord, { kind: 'name' }>;
export type SshKeysRecord = Extract<PublishedRecord, { kind: 'ssh-keys' }>;
export type FrontDoorRecord = Extract<PublishedRecord, { kind: 'front-door' }>;

/** What DNS and metadata answers are made from. */
export interface PublishedView {
  vpc(vpcId: string): VpcRecord | undefined;
  /** The instance that has this private address in this VPC. */
  metadata(vpcId: string, address: string): InstanceMetadata | undefined;
  /** OpenSSH lines pushed to an instance, by OS user; empty when there are none. */
  pushedKeys(instanceId: string): ReadonlyMap<string, readonly string[]>;
  /** The public DNS name of an instance by its public address. */
  publicHostname(address: string): string | undefined;
  /** Records of a name as a VPC sees them: its own if it has any, else those of no VPC. Empty when there are none. */
  names(vpcId: string, name: string): readonly NameRecord[];
  /** The load balancer of a Host header's name. */
  frontDoor(name: string): FrontDoorRecord | undefined;
}

export interface PublishedState extends PublishedView {
  put(key: string, record: PublishedRecord): void;
  remove(key: string): void;
  keys(): string[];
  vpcs(): VpcRecord[];
  allNames(): NameRecord[];
  frontDoors(): FrontDoorRecord[];
}

/** A DNS name as it is compared: lower case, no dot at its end. */
export const canonicalName = (name: string): string => name.toLowerCase().replace(/\.$/, '');

export function publishedState(): PublishedState {
  const records = new Map<string, PublishedRecord>();
  const vpcs = new Map<string, VpcRecord>();
  const metadata = new Map<string, MetadataRecord>();
  const publicHostnames = new Map<string, string>();
  const pushed = new Map<string, Map<string, SshKeysRecord>>();
  // Two records may speak of one name (say, while a name moves from one owner to the next): both are kept.
  const names = new Map<string, Map<string, NameRecord>>();
  const doors = new Map<string, FrontDoorRecord>();
  const nameScope = (vpcId: string | undefined, name: string) => `${vpcId ?? ''} ${canonicalName(name)}`;

  const forget = (key: string, record: PublishedRecord): void => {
    if (record.kind === 'vpc') {
      if (vpcs.get(record.vpcId) === record) vpcs.delete(record.vpcId);
    } else if (record.kind === 'metadata') {
      const place = `${record.vpcId} ${record.address}`;
      if (metadata.get(place) === record) metadata.delete(place);
      const { publicAddress, publicHostname } = record.metadata;
      if (publicAddress && publicHostnames.get(publicAddress) === publicHostname)
        publicHostnames.delete(publicAddress);
    } else if (record.kind === 'ssh-keys') {
      const ofInstance = pushed.get(record.instanceId);
      if (ofInstance?.get(record.user) === record) ofInstance.delete(record.user);
      if (ofInstance?.size === 0) pushed.delete(record.instanceId);
    } else if (record.kind === 'name') {
      const scope = nameScope(record.vpcId, record.name);
      names.get(scope)?.delete(key);
      if (names.get(scope)?.size === 0) names.delete(scope);
    } else {
      const name = canonicalName(record.name);
      if (doors.get(name) === record) doors.delete(name);
    }
  };
  const learn = (key: string, record: PublishedRecord): void => {
    if (record.kind === 'vpc') {
      vpcs.set(record.vpcId, record);
    } else if (record.kind === 'metadata') {
      metadata.set(`${record.vpcId} ${record.address}`, record);
      const { publicAddress, publicHostname } = record.metadata;
      if (publicAddress && publicHostname) publicHostnames.set(publicAddress, publicHostname);
    } else if (record.kind === 'ssh-keys') {
      const ofInstance = pushed.get(record.instanceId) ?? new Map<string, SshKeysRecord>();
      pushed.set(record.instanceId, ofInstance.set(record.user, record));
    } else if (record.kind === 'name') {
      const scope = nameScope(record.vpcId, record.name);
      const same = names.get(scope) ?? new Map<string, NameRecord>();
      names.set(scope, same.set(key, record));
    } else {
      doors.set(canonicalName(record.name), record);
    }
  };
  const namesIn = (scope: string): readonly NameRecord[] => [...(names.get(scope)?.values() ?? [])];

  return {
    put(key, record) {
      const before = records.get(key);
      if (before) forget(key, before);
      records.set(key, record);
      learn(key, record);
    },
    remove(key) {
      const before = records.get(key);
      if (before) forget(key, before);
      records.delete(key);
    },
    keys: () => [...records.keys()],
    vpcs: () => [...vpcs.values()],
    allNames: () => [...names.values()].flatMap((same) => [...same.values()]),
    frontDoors: () => [...doors.values()],
    vpc: (vpcId) => vpcs.get(vpcId),
    metadata: (vpcId, address) => metadata.get(`${vpcId} ${address}`)?.metadata,
    pushedKeys: (instanceId) =>
      new Map([...(pushed.get(instanceId) ?? [])].map(([user, { keys }]) => [user, keys])),
    publicHostname: (address) => publicHostnames.get(address),
    names(vpcId, name) {
      const own = namesIn(nameScope(vpcId, name));
      return own.length > 0 ? own : namesIn(nameScope(undefined, name));
    },
    frontDoor: (name) => doors.get(canonicalName(name)),
  };
}
