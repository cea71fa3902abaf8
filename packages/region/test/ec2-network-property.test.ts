/** Whatever order of calls: what is left in the store is whole, and the network has exactly that. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { AwsError } from '../src/services/common/errors.ts';
import { cidrOf, holds, overlaps } from '../src/services/ec2/network/cidr.ts';
import { planTopology } from '../src/services/ec2/network/topology.ts';
import {
  internetGateways,
  networkAcls,
  networkInterfaces,
  routeTables,
  securityGroups,
  subnets,
  vpcs,
} from '../src/services/ec2/records.ts';
import type { Store } from '../src/store/store.ts';
import { networkWorld, REGION } from './ec2-network-world.ts';

/** A call whose resources are named by their place among those that exist. */
interface Step {
  readonly operation: string;
  readonly a: number;
  readonly b: number;
}

type Pick = (type: { kind: string }, at: number) => string;

/** What each operation is given. Many of these are refused: that is the point. */
const inputs: Record<string, (pick: Pick, a: number, b: number) => object> = {
  CreateVpc: (_pick, a) => ({ CidrBlock: `10.${a}.0.0/16` }),
  DeleteVpc: (pick, a) => ({ VpcId: pick(vpcs, a) }),
  CreateSubnet: (pick, a, b) => ({ VpcId: pick(vpcs, a), CidrBlock: `10.${b % 3}.${b}.0/${22 + (b % 3)}` }),
  DeleteSubnet: (pick, a) => ({ SubnetId: pick(subnets, a) }),
  CreateInternetGateway: () => ({}),
  AttachInternetGateway: (pick, a, b) => ({
    InternetGatewayId: pick(internetGateways, a),
    VpcId: pick(vpcs, b),
  }),
  DetachInternetGateway: (pick, a, b) => ({
    InternetGatewayId: pick(internetGateways, a),
    VpcId: pick(vpcs, b),
  }),
  DeleteInternetGateway: (pick, a) => ({ InternetGatewayId: pick(internetGateways, a) }),
  CreateRouteTable: (pick, a) => ({ VpcId: pick(vpcs, a) }),
  DeleteRouteTable: (pick, a) => ({ RouteTableId: pick(routeTables, a) }),
  AssociateRouteTable: (pick, a, b) => ({ RouteTableId: pick(routeTables, a), SubnetId: pick(subnets, b) }),
  CreateRoute: (pick, a, b) => ({
    RouteTableId: pick(routeTables, a),
    DestinationCidrBlock: `192.168.${b}.0/24`,
    ...(b % 2
      ? { GatewayId: pick(internetGateways, b) }
      : { NetworkInterfaceId: pick(networkInterfaces, b) }),
  }),
  DeleteRoute: (pick, a, b) => ({
    RouteTableId: pick(routeTables, a),
    DestinationCidrBlock: `192.168.${b}.0/24`,
  }),
  CreateSecurityGroup: (pick, a, b) => ({ VpcId: pick(vpcs, a), GroupName: `group-${b}`, Description: 'd' }),
  DeleteSecurityGroup: (pick, a) => ({ GroupId: pick(securityGroups, a) }),
  AuthorizeSecurityGroupIngress: (pick, a, b) => ({
    GroupId: pick(securityGroups, a),
    IpPermissions: [
      { IpProtocol: 'tcp', FromPort: b, ToPort: b, UserIdGroupPairs: [{ GroupId: pick(securityGroups, b) }] },
    ],
  }),
  CreateNetworkInterface: (pick, a, b) => ({ SubnetId: pick(subnets, a), Groups: [pick(securityGroups, b)] }),
  DeleteNetworkInterface: (pick, a) => ({ NetworkInterfaceId: pick(networkInterfaces, a) }),
};

/** `ReplaceRouteTableAssociation` needs an association of some table. */
function inputOf(store: Store, { operation, a, b }: Step): object {
  const pick: Pick = (type, at) => {
    const all = store.list(type, REGION);
    return all[at % Math.max(all.length, 1)]?.id ?? 'none';
  };
  if (operation !== 'ReplaceRouteTableAssociation') return inputs[operation]?.(pick, a, b) ?? {};
  const all = store
    .list(routeTables, REGION)
    .flatMap(({ spec }) => [spec.mainAssociationId, ...spec.associations.map((one) => one.associationId)])
    .filter((id) => id !== undefined);
  return { AssociationId: all[a % all.length], RouteTableId: pick(routeTables, b) };
}

const operations = [...Object.keys(inputs), 'ReplaceRouteTableAssociation'];
const steps = fc.array(
  fc.record({
    operation: fc.constantFrom(...operations),
    a: fc.nat({ max: 5 }),
    b: fc.nat({ max: 9 }),
  }),
  { minLength: 20, maxLength: 80 },
);

/** Nothing names what is not there, and each VPC has what it is never without. */
function assertWhole(store: Store): void {
  const list = <T>(type: Parameters<typeof store.list<T, null>>[0]) => store.list(type, REGION);
  const vpcIds = new Set(store.list(vpcs, REGION).map(({ id }) => id));
  const subnetsById = new Map(list(subnets).map((subnet) => [subnet.id, subnet]));
  const groupsById = new Map(list(securityGroups).map((group) => [group.id, group]));
  const aclsById = new Map(list(networkAcls).map((acl) => [acl.id, acl]));
  for (const vpc of store.list(vpcs, REGION)) {
    const ours = ({ spec }: { spec: { vpcId?: string } }): boolean => spec.vpcId === vpc.id;
    assert.equal(list(routeTables).filter((table) => ours(table) && table.spec.main).length, 1);
    assert.equal(list(networkAcls).filter((acl) => ours(acl) && acl.spec.isDefault).length, 1);
    assert.ok(list(internetGateways).filter(ours).length <= 1);
    const names = list(securityGroups)
      .filter(ours)
      .map(({ spec }) => spec.name);
    assert.ok(names.includes('default') && new Set(names).size === names.length, names.join());
    const blocks = list(subnets)
      .filter(ours)
      .map(({ spec }) => cidrOf(spec.cidr));
    for (const [at, block] of blocks.entries()) {
      assert.ok(vpc.spec.cidrs.some((cidr) => holds(cidrOf(cidr), block)));
      assert.ok(blocks.every((other, position) => position === at || !overlaps(block, other)));
    }
  }
  const parts = [...list(routeTables), ...list(networkAcls), ...list(securityGroups), ...list(subnets)];
  for (const part of parts) assert.ok(vpcIds.has(part.spec.vpcId), part.id);
  for (const { spec } of subnetsById.values())
    assert.equal(aclsById.get(spec.networkAclId)?.spec.vpcId, spec.vpcId);
  for (const { spec } of list(routeTables)) {
    assert.equal(spec.main, spec.mainAssociationId !== undefined);
    for (const { subnetId } of spec.associations)
      assert.equal(subnetsById.get(subnetId)?.spec.vpcId, spec.vpcId);
  }
  const associated = list(routeTables).flatMap(({ spec }) =>
    spec.associations.map(({ subnetId }) => subnetId),
  );
  assert.equal(new Set(associated).size, associated.length);
  for (const { spec } of groupsById.values()) {
    for (const { peer } of spec.rules) {
      if ('securityGroupId' in peer)
        assert.equal(groupsById.get(peer.securityGroupId)?.spec.vpcId, spec.vpcId);
    }
  }
  for (const { spec } of list(networkInterfaces)) {
    assert.equal(subnetsById.get(spec.subnetId)?.spec.vpcId, spec.vpcId);
    for (const id of spec.securityGroupIds) assert.equal(groupsById.get(id)?.spec.vpcId, spec.vpcId);
  }
}

it('leaves the store whole and the network equal to it, after any calls in any order', async () => {
  const outcomes = new Map<string, Set<boolean>>();
  const property = fc.asyncProperty(steps, async (sequence) => {
    const world = await networkWorld();
    const { store } = world.region;
    await world.call('DescribeVpcs');
    for (const step of sequence) {
      const before = store.all().filter(({ kind }) => kind !== vpcs.kind);
      const succeeded = await world.call(step.operation, inputOf(store, step)).then(
        () => true,
        (error: unknown) => {
          if (!(error instanceof AwsError)) throw error;
          return false;
        },
      );
      outcomes.set(step.operation, (outcomes.get(step.operation) ?? new Set()).add(succeeded));
      if (!succeeded) {
        const after = store.all().filter(({ kind }) => kind !== vpcs.kind);
        assert.deepEqual(after, before, `${step.operation} was refused and wrote`);
      }
      assertWhole(store);
    }
    await world.idle();
    const existing = (await world.drivers.network.list()).map(({ vpcId }) => vpcId).sort();
    assert.deepEqual(
      existing,
      store
        .list(vpcs, REGION)
        .map(({ id }) => id)
        .sort(),
    );
    for (const vpc of store.list(vpcs, REGION)) {
      assert.deepEqual(world.drivers.network.topology(vpc.id), planTopology(store, vpc));
    }
    await world.stop();
  });
  await fc.assert(property, { numRuns: 60, seed: 20_261_120 });
  const onlyRefused = operations.filter((operation) => !outcomes.get(operation)?.has(true));
  assert.deepEqual(onlyRefused, [], 'every operation must also have succeeded somewhere');
});
