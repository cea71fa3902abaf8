/** One VPC's whole wanted topology, from what the store says. Pure, and linear in what the region holds. */
import type {
  NatGatewayTopology,
  NetworkInterfaceTopology,
  SecurityGroupRule,
  SecurityGroupTopology,
  SubnetTopology,
  VpcTopology,
} from '../../../drivers/network.ts';
import type { Reader } from '../../../store/store.ts';
import { cutting } from '../fault/impairment.ts';
import {
  internetGateways,
  type NatGateway,
  type NetworkInterface,
  natGateways,
  networkAcls,
  networkInterfaces,
  type RouteTable,
  routeTables,
  type SecurityGroup,
  type SecurityGroupRuleRecord,
  type Subnet,
  securityGroups,
  subnets,
  type Vpc,
} from '../records.ts';
import { isWanted } from './nat-gateway-state.ts';
import { privateAddresses, publicMapping } from './public-mapping.ts';
import { liveTarget } from './route-target.ts';

/** All resources that belong to a VPC, apart from itself. */
function contentsOf(reader: Reader, { region, id }: Vpc) {
  const ours = (resource: { spec: { readonly vpcId?: string } }): boolean => resource.spec.vpcId === id;
  return {
    subnets: reader.list(subnets, region).filter(ours),
    routeTables: reader.list(routeTables, region).filter(ours),
    networkAcls: reader.list(networkAcls, region).filter(ours),
    securityGroups: reader.list(securityGroups, region).filter(ours),
    internetGateways: reader.list(internetGateways, region).filter(ours),
    interfaces: reader.list(networkInterfaces, region).filter(ours),
    natGateways: reader.list(natGateways, region).filter(ours),
  };
}

/** The latest revision of anything in the VPC, itself not counted. */
export const latestRevision = (reader: Reader, vpc: Vpc): number =>
  Object.values(contentsOf(reader, vpc))
    .flat()
    .reduce((latest, { revision }) => Math.max(latest, revision), 0);

function subnetTopologies(all: readonly Subnet[], tables: readonly RouteTable[]): SubnetTopology[] {
  const tableOf = new Map<string, string>();
  for (const table of tables) {
    for (const { subnetId } of table.spec.associations) tableOf.set(subnetId, table.id);
  }
  const main = tables.find(({ spec }) => spec.main);
  return all.map(({ id, spec }) => ({
    subnetId: id,
    cidr: spec.cidr,
    zone: spec.zone,
    routeTableId: tableOf.get(id) ?? main?.id ?? '',
    networkAclId: spec.networkAclId,
  }));
}

/** A rule as the network enforces it. IPv6 rules are kept for the API only: no VPC has IPv6 addresses. */
function enforcedRule(rule: SecurityGroupRuleRecord): SecurityGroupRule[] {
  const { peer, protocol, ports, icmp } = rule;
  if ('cidrIpv6' in peer) return [];
  return [{ protocol, ...(ports && { ports }), ...(icmp && { icmp }), peer }];
}

const securityGroupTopology = ({ id, spec }: SecurityGroup): SecurityGroupTopology => ({
  securityGroupId: id,
  ingress: spec.rules.filter(({ direction }) => direction === 'ingress').flatMap(enforcedRule),
  egress: spec.rules.filter(({ direction }) => direction === 'egress').flatMap(enforcedRule),
});

const interfaceTopology = ({ id, spec }: NetworkInterface): NetworkInterfaceTopology => ({
  interfaceId: id,
  subnetId: spec.subnetId,
  macAddress: spec.macAddress,
  addresses: privateAddresses(spec).map((address) => {
    const mapping = publicMapping(spec, address);
    return { private: address, ...(mapping && { public: mapping.publicAddress }) };
  }),
  securityGroupIds: spec.securityGroupIds,
  sourceDestCheck: spec.sourceDestCheck,
  ...(spec.attachment && {
    attachment: { namespace: spec.attachment.endpointId, deviceIndex: spec.attachment.deviceIndex },
  }),
});

const natGatewayTopology = ({ id, spec }: NatGateway): NatGatewayTopology => ({
  natGatewayId: id,
  subnetId: spec.subnetId,
  privateAddress: spec.privateAddress ?? '',
  ...(spec.publicAddress !== undefined && { publicAddress: spec.publicAddress }),
});

export function planTopology(reader: Reader, vpc: Vpc): VpcTopology {
  const { region } = vpc;
  const contents = contentsOf(reader, vpc);
  const interfaces = contents.interfaces.filter(({ spec }) => spec.interfaceType !== 'nat_gateway');
  const gateways = contents.natGateways.filter(isWanted);
  const isCut = cutting(reader, region);
  return {
    vpcId: vpc.id,
    cidrs: vpc.spec.cidrs,
    internetGateway: contents.internetGateways.length > 0,
    subnets: subnetTopologies(contents.subnets, contents.routeTables),
    routeTables: contents.routeTables.map((table) => ({
      routeTableId: table.id,
      routes: table.spec.routes.map((route) => ({
        destination: route.destination,
        target: liveTarget(reader, region, vpc.id, route),
      })),
    })),
    networkAcls: contents.networkAcls.map(({ id, spec }) => ({
      networkAclId: id,
      ingress: spec.ingress,
      egress: spec.egress,
    })),
    securityGroups: contents.securityGroups.map(securityGroupTopology),
    interfaces: interfaces.map(interfaceTopology),
    natGateways: gateways.map(natGatewayTopology),
    cut: [...interfaces.filter(isCut.interface), ...gateways.filter(isCut.natGateway)].map(({ id }) => id),
  };
}
