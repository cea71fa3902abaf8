/**
 * Secondary private addresses of interfaces. One may move to another interface of its subnet, and its Elastic IP with it.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/managing-network-interface-ip-addresses.html
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, refuseParameters } from '../../common/errors.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { instanceTypes } from '../instance-types.ts';
import { type ElasticAddress, instances, type NetworkInterface, networkInterfaces } from '../records.ts';
import { allocateSecondaryAddresses, subnetOf } from './interface.ts';
import { changeableInterface } from './interface-operations.ts';
import { privateAddresses } from './public-mapping.ts';

function checkCount(scope: Scope, { spec }: NetworkInterface, added: number): void {
  const instance = scope.tx.get(instances, scope.region, spec.attachment?.instanceId ?? '');
  const most = instanceTypes.get(instance?.spec.instanceType ?? '')?.addressesPerInterface;
  if (most === undefined || privateAddresses(spec).length + added <= most) return;
  throw new AwsError('PrivateIpAddressLimitExceeded', 'Number of private addresses will exceed limit.');
}

/** Takes secondary addresses away from an interface; gives the Elastic IPs that stood for them. */
function take(scope: Scope, { id, spec }: NetworkInterface, addresses: readonly string[]): ElasticAddress[] {
  const goes = (address: string): boolean => addresses.includes(address);
  const elastic = spec.elasticAddresses ?? [];
  const current = scope.tx.get(networkInterfaces, scope.region, id);
  if (!current) return [];
  scope.tx.update(current, {
    spec: {
      ...spec,
      secondaryAddresses: spec.secondaryAddresses.filter((address) => !goes(address)),
      elasticAddresses: elastic.filter((one) => !goes(one.privateAddress)),
    },
  });
  return elastic.filter((one) => goes(one.privateAddress));
}

/** Takes the addresses from whichever other interfaces have them; gives their Elastic IPs. */
function takeFromOthers(
  scope: Scope,
  found: NetworkInterface,
  addresses: readonly string[],
  allowed: boolean,
): ElasticAddress[] {
  return scope.tx.list(networkInterfaces, scope.region).flatMap((other) => {
    if (other.id === found.id || other.spec.subnetId !== found.spec.subnetId) return [];
    const taken = addresses.filter((address) => privateAddresses(other.spec).includes(address));
    if (taken.length === 0) return [];
    if (!allowed || taken.includes(other.spec.privateAddress)) {
      throw errors.invalidParameterValue(`[${taken.join(', ')}] is assigned, but move is not allowed.`);
    }
    return take(scope, other, taken);
  });
}

function assignPrivateIpAddresses(
  input: ec2.AssignPrivateIpAddressesRequest,
  context: RequestContext,
): ec2.AssignPrivateIpAddressesResult {
  refuseParameters('AssignPrivateIpAddresses', input, ['Ipv4PrefixCount', 'Ipv4Prefixes']);
  const found = changeableInterface(context, errors.required(input.NetworkInterfaceId, 'networkInterfaceId'));
  const has = privateAddresses(found.spec);
  const addresses = [...new Set(input.PrivateIpAddresses)].filter((address) => !has.includes(address));
  const count = input.SecondaryPrivateIpAddressCount;
  if (input.PrivateIpAddresses?.length ? count !== undefined : count === undefined) {
    throw errors.invalidParameterCombination(
      'Either privateIpAddresses or secondaryPrivateIpAddressCount must be specified, not both.',
    );
  }
  if (count !== undefined && count < 1) {
    throw errors.invalidParameterValue(
      `Value (${count}) for parameter secondaryPrivateIpAddressCount is invalid.`,
    );
  }
  checkCount(context, found, count ?? addresses.length);
  const moved = takeFromOthers(context, found, addresses, input.AllowReassignment === true);
  const subnet = subnetOf(context, found.spec.subnetId);
  const added =
    addresses.length + (count ?? 0) === 0
      ? []
      : allocateSecondaryAddresses(context, subnet, { addresses, count });
  context.tx.update(found, {
    spec: {
      ...found.spec,
      secondaryAddresses: [...found.spec.secondaryAddresses, ...added],
      elasticAddresses: [...(found.spec.elasticAddresses ?? []), ...moved],
    },
  });
  return {
    NetworkInterfaceId: found.id,
    AssignedPrivateIpAddresses: added.map((PrivateIpAddress) => ({ PrivateIpAddress })),
    AssignedIpv4Prefixes: [],
  };
}

/** An Elastic IP of an address that goes is disassociated. */
function unassignPrivateIpAddresses(
  input: ec2.UnassignPrivateIpAddressesRequest,
  context: RequestContext,
): void {
  refuseParameters('UnassignPrivateIpAddresses', input, ['Ipv4Prefixes']);
  const found = changeableInterface(context, errors.required(input.NetworkInterfaceId, 'networkInterfaceId'));
  const addresses = errors.required(input.PrivateIpAddresses, 'privateIpAddresses');
  if (addresses.length === 0) throw errors.missingParameter('privateIpAddresses');
  const missing = addresses.filter((address) => !found.spec.secondaryAddresses.includes(address));
  if (missing.includes(found.spec.privateAddress)) {
    throw errors.invalidParameterValue(
      `The primary private address ${found.spec.privateAddress} of ${found.id} cannot be unassigned.`,
    );
  }
  if (missing.length > 0) {
    throw errors.invalidParameterValue(
      `Some of [${missing.join(', ')}] are not assigned to interface ${found.id}`,
    );
  }
  take(context, found, addresses);
}

export const interfaceAddressOperations: Readonly<Record<string, Operation>> = {
  AssignPrivateIpAddresses: assignPrivateIpAddresses,
  UnassignPrivateIpAddresses: unassignPrivateIpAddresses,
};
