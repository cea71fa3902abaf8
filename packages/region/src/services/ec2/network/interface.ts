/**
 * Network interfaces as the rest of the region makes and ends them: for an instance, or for a service that needs one in
 * somebody's subnet. What users see and do of them stands in `interface-operations.ts`.
 */

import type { ResourceKey, Tags } from '../../../store/resource.ts';
import type { Reader } from '../../../store/store.ts';
import { newId } from '../../common/names.ts';
import type { Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import {
  type ManagedInterfaceRequest,
  type NetworkInterface,
  type NetworkInterfaceSpec,
  networkInterfaces,
  type Subnet,
  subnets,
  vpcs,
} from '../records.ts';
import { type Cidr, cidrOf, formatAddress, holdsAddress, lastOf, parseAddress, sizeOf } from './cidr.ts';
import { allocatePublicAddress, releasePublicAddress } from './public-address.ts';
import { publicMapping } from './public-mapping.ts';
import { resolveSecurityGroups } from './security-group-lookup.ts';

/**
 * The first four addresses of a subnet and its last are AWS's own.
 * https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html
 */
const RESERVED_AT_START = 4;
const RESERVED = RESERVED_AT_START + 1;

/** Every private address that is taken in a subnet. */
function takenAddresses(reader: Reader, region: string, subnetId: string): Set<string> {
  const taken = new Set<string>();
  for (const { spec } of reader.list(networkInterfaces, region)) {
    if (spec.subnetId !== subnetId) continue;
    taken.add(spec.privateAddress);
    for (const address of spec.secondaryAddresses) taken.add(address);
  }
  return taken;
}

/** How many addresses of each subnet can still be given, by subnet id. One walk over all interfaces. */
export function availableAddresses(reader: Reader, region: string): Map<string, number> {
  const left = new Map<string, number>();
  for (const subnet of reader.list(subnets, region)) {
    left.set(subnet.id, sizeOf(cidrOf(subnet.spec.cidr)) - RESERVED);
  }
  for (const { spec } of reader.list(networkInterfaces, region)) {
    left.set(spec.subnetId, (left.get(spec.subnetId) ?? 0) - 1 - spec.secondaryAddresses.length);
  }
  return left;
}

function checkWanted(cidr: Cidr, wanted: string, taken: ReadonlySet<string>): void {
  const address = parseAddress(wanted);
  if (address === undefined) throw errors.invalidParameterValue(`Invalid IPv4 address: ${wanted}`);
  if (!holdsAddress(cidr, address)) {
    throw errors.invalidParameterValue(`Address ${wanted} does not fall within the subnet's address range`);
  }
  if (address < cidr.base + RESERVED_AT_START || address === lastOf(cidr)) {
    throw errors.invalidParameterValue(`Address ${wanted} is in subnet's reserved address range`);
  }
  if (taken.has(wanted)) throw errors.addressInUse(wanted);
}

/**
 * A free private address of a subnet: `wanted`, or any. It is taken once an interface with it is written. Any means a
 * random one, so that an address that just became free is seldom the next one given.
 * Throws `InsufficientFreeAddressesInSubnet`, `InvalidIPAddress.InUse`, `InvalidParameterValue`.
 */
export function allocatePrivateAddress(scope: Scope, subnet: Subnet, wanted?: string): string {
  return pickAddress(
    scope,
    cidrOf(subnet.spec.cidr),
    takenAddresses(scope.tx, scope.region, subnet.id),
    wanted,
  );
}

function pickAddress(scope: Scope, cidr: Cidr, taken: ReadonlySet<string>, wanted?: string): string {
  if (wanted !== undefined) {
    checkWanted(cidr, wanted, taken);
    return wanted;
  }
  const usable = sizeOf(cidr) - RESERVED;
  const start = scope.random.below(usable);
  for (let step = 0; step < usable; step += 1) {
    const address = formatAddress(cidr.base + RESERVED_AT_START + ((start + step) % usable));
    if (!taken.has(address)) return address;
  }
  throw errors.notEnoughAddresses();
}

/** Private addresses besides the primary one: those that are named, or so many of any. */
export interface SecondaryAddresses {
  readonly addresses?: readonly string[] | undefined;
  readonly count?: number | undefined;
}

/**
 * Free private addresses of a subnet, none of them in `others`. Errors as `allocatePrivateAddress`, and
 * `InvalidParameterCombination` when the caller both names and counts them.
 */
export function allocateSecondaryAddresses(
  scope: Scope,
  subnet: Subnet,
  { addresses = [], count = 0 }: SecondaryAddresses,
  others: readonly string[] = [],
): string[] {
  if (addresses.length > 0 && count > 0) {
    throw errors.invalidParameterCombination(
      'Secondary private addresses are either named or counted, not both.',
    );
  }
  const cidr = cidrOf(subnet.spec.cidr);
  const taken = takenAddresses(scope.tx, scope.region, subnet.id);
  for (const address of others) taken.add(address);
  return Array.from({ length: addresses.length || count }, (_, at) => {
    const address = pickAddress(scope, cidr, taken, addresses[at]);
    taken.add(address);
    return address;
  });
}

/** A new hardware address, locally administered, as AWS's are. */
export const newMacAddress = (scope: Pick<Scope, 'random'>): string =>
  ['06', ...(scope.random.hex(5).match(/../g) ?? [])].join(':');

export function subnetOf(scope: Scope, subnetId: string): Subnet {
  const subnet = scope.tx.get(subnets, scope.region, subnetId);
  if (!subnet) throw errors.subnetNotFound(subnetId);
  return subnet;
}

/** Everything that makes an interface. */
export interface InterfaceRequest {
  readonly owner?: ResourceKey;
  readonly subnet: Subnet;
  readonly securityGroupIds: readonly string[];
  readonly privateAddress?: string | undefined;
  readonly secondary?: SecondaryAddresses | undefined;
  readonly withPublicAddress: boolean;
  readonly description: string;
  readonly interfaceType: NetworkInterfaceSpec['interfaceType'];
  readonly requesterManaged: boolean;
  /** Absent: it is attached to nothing yet. */
  readonly attachment?: Omit<NonNullable<NetworkInterfaceSpec['attachment']>, 'attachmentId' | 'attachTime'>;
  readonly tags?: Tags | undefined;
}

export function createInterface(scope: Scope, request: InterfaceRequest): NetworkInterface {
  const { subnet } = request;
  const attachment = request.attachment && {
    ...request.attachment,
    // A service's attachments have a name of their own, by which tools know that they cannot end them.
    attachmentId: newId(scope, request.attachment.instanceId ? 'eni-attach' : 'ela-attach'),
    attachTime: scope.now,
  };
  const privateAddress = allocatePrivateAddress(scope, subnet, request.privateAddress);
  const spec: NetworkInterfaceSpec = {
    vpcId: subnet.spec.vpcId,
    subnetId: subnet.id,
    description: request.description,
    macAddress: newMacAddress(scope),
    privateAddress,
    secondaryAddresses: allocateSecondaryAddresses(scope, subnet, request.secondary ?? {}, [privateAddress]),
    ...(request.withPublicAddress && { publicAddress: allocatePublicAddress(scope) }),
    autoAssignPublicAddress: request.withPublicAddress,
    securityGroupIds: request.securityGroupIds,
    sourceDestCheck: request.interfaceType !== 'nat_gateway',
    interfaceType: request.interfaceType,
    ...(attachment && { attachment }),
    requesterManaged: request.requesterManaged,
  };
  return scope.tx.create(networkInterfaces, {
    region: scope.region,
    id: newId(scope, 'eni'),
    ...(request.owner && { owner: request.owner }),
    spec,
    status: null,
    ...(request.tags && { tags: request.tags }),
  });
}

/**
 * Makes an interface that a service keeps in somebody's subnet. Its far end is eth0 of the namespace `endpointId`.
 * Throws `InvalidSubnetID.NotFound`, `InvalidGroup.NotFound`, `InsufficientFreeAddressesInSubnet`.
 */
export function createManagedInterface(scope: Scope, request: ManagedInterfaceRequest): NetworkInterface {
  const subnet = subnetOf(scope, request.subnetId);
  return createInterface(scope, {
    owner: request.owner,
    subnet,
    securityGroupIds: resolveSecurityGroups(scope, subnet.spec.vpcId, request.securityGroupIds),
    withPublicAddress: request.withPublicAddress,
    description: request.description,
    interfaceType: request.interfaceType,
    requesterManaged: true,
    attachment: { endpointId: request.endpointId, deviceIndex: 0, deleteOnTermination: true },
  });
}

/** What RunInstances knows of an interface that comes with an instance. */
export interface InstanceInterfaceRequest {
  readonly instance: ResourceKey;
  readonly subnetId: string;
  /** Ids, all of the subnet's VPC; none: its default group. */
  readonly securityGroupIds?: readonly string[] | undefined;
  /** The primary private address; absent: any. */
  readonly privateAddress?: string | undefined;
  readonly secondary?: SecondaryAddresses | undefined;
  /** Absent: what the subnet's MapPublicIpOnLaunch says. */
  readonly associatePublicAddress?: boolean | undefined;
  /** 0 when absent. */
  readonly deviceIndex?: number | undefined;
  /** True when absent. */
  readonly deleteOnTermination?: boolean | undefined;
  readonly description?: string | undefined;
  readonly tags?: Tags | undefined;
}

/**
 * Makes an interface of an instance; its namespace is named like the instance. Errors as `createManagedInterface`, and
 * `InvalidIPAddress.InUse`, `InvalidParameterValue` for a private address that cannot be.
 */
export function createInstanceInterface(scope: Scope, request: InstanceInterfaceRequest): NetworkInterface {
  const subnet = subnetOf(scope, request.subnetId);
  return createInterface(scope, {
    owner: request.instance,
    subnet,
    securityGroupIds: resolveSecurityGroups(scope, subnet.spec.vpcId, request.securityGroupIds),
    privateAddress: request.privateAddress,
    secondary: request.secondary,
    withPublicAddress: request.associatePublicAddress ?? subnet.spec.mapPublicIpOnLaunch,
    description: request.description ?? '',
    interfaceType: 'interface',
    requesterManaged: false,
    attachment: {
      endpointId: request.instance.id,
      instanceId: request.instance.id,
      deviceIndex: request.deviceIndex ?? 0,
      deleteOnTermination: request.deleteOnTermination ?? true,
    },
    tags: request.tags,
  });
}

/** Removes an interface and gives its auto-assigned address back; Elastic IPs stay allocated. Already gone is success. */
export function deleteInterface(scope: Scope, id: string): void {
  const found = scope.tx.get(networkInterfaces, scope.region, id);
  if (!found) return;
  if (found.spec.publicAddress !== undefined) releasePublicAddress(scope, found.spec.publicAddress);
  scope.tx.remove(found);
}

/** Joins an interface that is attached to nothing to an instance; gives the attachment's id. */
export function attachInterface(
  scope: Scope,
  found: NetworkInterface,
  to: { readonly instanceId: string; readonly deviceIndex: number; readonly deleteOnTermination: boolean },
): string {
  const attachmentId = newId(scope, 'eni-attach');
  const attachment = { ...to, attachmentId, endpointId: to.instanceId, attachTime: scope.now };
  scope.tx.update(found, { spec: { ...found.spec, attachment } });
  return attachmentId;
}

/** Parts an interface from its instance. It keeps its Elastic IPs and loses its auto-assigned public address. */
export function detachInterface(scope: Scope, id: string): void {
  unassignPublicAddress(scope, id);
  const found = scope.tx.get(networkInterfaces, scope.region, id);
  if (!found?.spec.attachment) return;
  const { attachment: _, ...spec } = found.spec;
  scope.tx.update(found, { spec: { ...spec, autoAssignPublicAddress: false } });
}

/**
 * Gives an interface a public address again, when it has none and was made to have one: its instance starts, or loses its
 * Elastic IP. Not beside a second interface, as with AWS.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html
 */
export function assignPublicAddress(scope: Scope, id: string): void {
  const found = scope.tx.get(networkInterfaces, scope.region, id);
  if (!found?.spec.autoAssignPublicAddress || publicMapping(found.spec)) return;
  const endpointId = found.spec.attachment?.endpointId ?? '';
  if (interfacesOfEndpoint(scope.tx, scope.region, endpointId).length > 1) return;
  scope.tx.update(found, { spec: { ...found.spec, publicAddress: allocatePublicAddress(scope) } });
}

/** Takes an interface's auto-assigned public address away: its instance stops. None is success. */
export function unassignPublicAddress(scope: Scope, id: string): void {
  const found = scope.tx.get(networkInterfaces, scope.region, id);
  if (found?.spec.publicAddress === undefined) return;
  const { publicAddress, ...spec } = found.spec;
  releasePublicAddress(scope, publicAddress);
  scope.tx.update(found, { spec });
}

/** The interfaces whose far end is in this namespace (an instance id, a load balancer node's), in device order. */
export const interfacesOfEndpoint = (
  reader: Reader,
  region: string,
  endpointId: string,
): NetworkInterface[] =>
  reader
    .list(networkInterfaces, region)
    .filter(({ spec }) => spec.attachment?.endpointId === endpointId)
    .sort((a, b) => (a.spec.attachment?.deviceIndex ?? 0) - (b.spec.attachment?.deviceIndex ?? 0));

/**
 * Is everything of the VPC that was written up to `revision` (a resource's) in force on the network? False for a VPC that
 * does not exist.
 */
export const isInForce = (reader: Reader, vpcId: string, region: string, revision: number): boolean =>
  (reader.get(vpcs, region, vpcId)?.status.appliedSequence ?? -1) >= revision;
