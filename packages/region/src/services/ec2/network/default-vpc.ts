/**
 * What AWS gives an account in every region: the default VPC with a public subnet in each zone. And, beneath it, the
 * logical hosts that instances live on.
 * https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html
 */
import { zonesOf } from '../../common/geography.ts';
import { newId } from '../../common/names.ts';
import type { Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { ensureHosts } from '../hosts.ts';
import { internetGateways, networkInterfaces, type Subnet, subnets, type Vpc, vpcs } from '../records.ts';
import { cidrOf, formatCidr } from './cidr.ts';
import { makeDhcpOptions } from './dhcp-options.ts';
import { makeSubnet } from './subnet-parts.ts';
import { mainRouteTable, makeVpc } from './vpc-parts.ts';

const CIDR = '172.31.0.0/16';
const SUBNET_PREFIX = 20;

/** The default VPC of this region, if it was not deleted. */
export const defaultVpc = (scope: Pick<Scope, 'tx' | 'region'>): Vpc | undefined =>
  scope.tx.list(vpcs, scope.region).find(({ spec }) => spec.isDefault);

/** The VPC of that id; without an id the default one. Throws `InvalidVpcID.NotFound`, `VPCIdNotSpecified`. */
export function vpcOrDefault(scope: Scope, vpcId: string | undefined): Vpc {
  if (vpcId === undefined || vpcId === '') {
    const found = defaultVpc(scope);
    if (!found) throw errors.noDefaultVpc();
    return found;
  }
  const vpc = scope.tx.get(vpcs, scope.region, vpcId);
  if (!vpc) throw errors.vpcNotFound(vpcId);
  return vpc;
}

/** Makes the default VPC and all that is in it. */
export function makeDefaultVpc(scope: Scope): Vpc {
  const vpc = makeVpc(scope, { cidr: CIDR, isDefault: true, enableDnsHostnames: true, tags: {} });
  const { base } = cidrOf(CIDR);
  zonesOf(scope.region).forEach((zone, at) => {
    makeSubnet(scope, {
      vpcId: vpc.id,
      cidr: formatCidr({ base: base + at * 2 ** (32 - SUBNET_PREFIX), prefix: SUBNET_PREFIX }),
      zone: zone.name,
      defaultForAz: true,
      tags: {},
    });
  });
  const gateway = scope.tx.create(internetGateways, {
    region: scope.region,
    id: newId(scope, 'igw'),
    spec: { vpcId: vpc.id },
    status: null,
  });
  const table = mainRouteTable(scope.tx, scope.region, vpc.id);
  const route = {
    destination: '0.0.0.0/0',
    target: { kind: 'internet-gateway' },
    targetId: gateway.id,
    origin: 'CreateRoute',
  } as const;
  scope.tx.update(table, { spec: { ...table.spec, routes: [...table.spec.routes, route] } });
  return vpc;
}

/** What a region has from the beginning, of networks and of what carries them. */
export function openNetwork(scope: Scope): void {
  makeDhcpOptions(scope);
  makeDefaultVpc(scope);
  ensureHosts(scope);
}

/**
 * The default subnet of a zone; without a zone, the one with the fewest interfaces. Throws `VPCIdNotSpecified` when there
 * is no default VPC, `MissingInput` when it has no such subnet, `InvalidParameterValue` for a zone that is none.
 */
export function defaultSubnetFor(scope: Scope, zone?: string): Subnet {
  const vpc = vpcOrDefault(scope, undefined);
  if (zone !== undefined && !zonesOf(scope.region).some(({ name }) => name === zone)) {
    throw errors.invalidZone(zone);
  }
  const candidates = scope.tx
    .list(subnets, scope.region)
    .filter(({ spec }) => spec.vpcId === vpc.id && spec.defaultForAz);
  if (zone !== undefined) {
    const found = candidates.find(({ spec }) => spec.zone === zone);
    if (!found) throw errors.noDefaultSubnetInZone(zone);
    return found;
  }
  const load = new Map(candidates.map(({ id }) => [id, 0]));
  for (const { spec } of scope.tx.list(networkInterfaces, scope.region)) {
    load.set(spec.subnetId, (load.get(spec.subnetId) ?? 0) + 1);
  }
  const [first] = candidates.toSorted((a, b) => (load.get(a.id) ?? 0) - (load.get(b.id) ?? 0));
  if (!first) throw errors.noDefaultSubnets(vpc.id);
  return first;
}
