/** A VPC with what it is never without: its main route table, default network ACL and default security group. */
import type { Tags } from '../../../store/resource.ts';
import type { Reader } from '../../../store/store.ts';
import { newId } from '../../common/names.ts';
import type { Scope } from '../../common/service.ts';
import {
  type NetworkAcl,
  networkAcls,
  type RouteTable,
  type RouteTableSpec,
  routeTables,
  type SecurityGroupRuleRecord,
  securityGroups,
  type Vpc,
  vpcs,
} from '../records.ts';

export interface VpcRequest {
  readonly cidr: string;
  readonly isDefault: boolean;
  readonly enableDnsHostnames: boolean;
  readonly tags: Tags;
}

/** Makes a VPC whole. The CIDR is one that AWS would take, in canonical form. */
export function makeVpc(scope: Scope, request: VpcRequest): Vpc {
  const vpc = scope.tx.create(vpcs, {
    region: scope.region,
    id: newId(scope, 'vpc'),
    spec: {
      cidrs: [request.cidr],
      isDefault: request.isDefault,
      instanceTenancy: 'default',
      enableDnsSupport: true,
      enableDnsHostnames: request.enableDnsHostnames,
    },
    status: { appliedSequence: 0 },
    tags: request.tags,
  });
  const child = { region: scope.region, owner: vpc, status: null };
  scope.tx.create(routeTables, {
    ...child,
    id: newId(scope, 'rtb'),
    spec: {
      vpcId: vpc.id,
      main: true,
      mainAssociationId: newId(scope, 'rtbassoc'),
      associations: [],
      routes: [localRoute(request.cidr)],
    },
  });
  const allowAll = { ruleNumber: 100, action: 'allow', protocol: -1, cidr: '0.0.0.0/0' } as const;
  scope.tx.create(networkAcls, {
    ...child,
    id: newId(scope, 'acl'),
    spec: { vpcId: vpc.id, isDefault: true, ingress: [allowAll], egress: [allowAll] },
  });
  const groupId = newId(scope, 'sg');
  scope.tx.create(securityGroups, {
    ...child,
    id: groupId,
    spec: {
      vpcId: vpc.id,
      name: 'default',
      description: 'default VPC security group',
      rules: [
        {
          ruleId: newId(scope, 'sgr'),
          direction: 'ingress',
          protocol: -1,
          peer: { securityGroupId: groupId },
        },
        allowAllEgress(scope),
      ],
    },
  });
  return vpc;
}

/** The route that leads to a block of the VPC itself; every table has one for each block. */
export const localRoute = (destination: string): RouteTableSpec['routes'][number] => ({
  destination,
  target: { kind: 'local' },
  origin: 'CreateRouteTable',
});

/** The egress rule that every new security group has. */
export const allowAllEgress = (scope: Scope): SecurityGroupRuleRecord => ({
  ruleId: newId(scope, 'sgr'),
  direction: 'egress',
  protocol: -1,
  peer: { cidr: '0.0.0.0/0' },
});

export function mainRouteTable(reader: Reader, region: string, vpcId: string): RouteTable {
  const found = reader.list(routeTables, region).find(({ spec }) => spec.vpcId === vpcId && spec.main);
  if (!found) throw new Error(`the VPC ${vpcId} has no main route table`);
  return found;
}

export function defaultNetworkAcl(reader: Reader, region: string, vpcId: string): NetworkAcl {
  const found = reader.list(networkAcls, region).find(({ spec }) => spec.vpcId === vpcId && spec.isDefault);
  if (!found) throw new Error(`the VPC ${vpcId} has no default network ACL`);
  return found;
}
