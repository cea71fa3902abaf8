/** Application Load Balancers: create, describe, delete, security groups, subnets. */
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError, refuseParameters } from '../common/errors.ts';
import { listingPosition, paginate } from '../common/pagination.ts';
import type { RequestContext, Scope } from '../common/service.ts';
import { createManagedInterface, resolveSecurityGroups } from '../ec2/network/index.ts';
import { internetGateways, networkInterfaces, type Subnet, subnets } from '../ec2/records.ts';
import { loadBalancerAttribute } from './attributes.ts';
import { errors } from './errors.ts';
import { checkName, fullName, loadBalancerArn } from './names.ts';
import { type LoadBalancer, listeners, loadBalancers, nodes } from './records.ts';
import { tagsOf } from './tags.ts';

/** The load balancer of that ARN. Throws `LoadBalancerNotFound`. */
export function loadBalancerOf(scope: Scope, id: string | undefined): LoadBalancer {
  if (!id?.includes(':loadbalancer/')) {
    throw errors.validation(`'${id ?? ''}' is not a valid load balancer ARN`);
  }
  const found = scope.tx.get(loadBalancers, scope.region, id);
  if (!found) throw errors.loadBalancerNotFound(id);
  return found;
}

/** The subnets of a request, in the order of their zones: at least two zones, one VPC, one subnet in each zone. */
function chosenSubnets(
  scope: Scope,
  input: Pick<elb.CreateLoadBalancerInput, 'Subnets' | 'SubnetMappings'>,
): Subnet[] {
  const mappings = input.SubnetMappings ?? [];
  if ((input.Subnets?.length ?? 0) > 0 && mappings.length > 0) {
    throw errors.invalidConfiguration('Only one of Subnets and SubnetMappings may be specified');
  }
  for (const mapping of mappings) {
    refuseParameters('SubnetMappings', mapping, [
      'AllocationId',
      'PrivateIPv4Address',
      'IPv6Address',
      'SourceNatIpv6Prefix',
    ]);
  }
  const ids = [...(input.Subnets ?? []), ...mappings.map((mapping) => mapping.SubnetId ?? '')];
  if (ids.length === 0) throw errors.validation('At least one subnet must be specified');
  const chosen = [...new Set(ids)].map((id) => {
    const subnet = scope.tx.get(subnets, scope.region, id);
    if (!subnet) throw errors.subnetNotFound(id);
    return subnet;
  });
  if (new Set(chosen.map((subnet) => subnet.spec.vpcId)).size > 1) {
    throw errors.invalidConfiguration('All subnets must belong to the same VPC');
  }
  const zones = new Set(chosen.map((subnet) => subnet.spec.zone));
  if (zones.size < chosen.length) {
    throw errors.invalidConfiguration(
      'A load balancer cannot be attached to multiple subnets in the same Availability Zone',
    );
  }
  if (zones.size < 2) {
    throw errors.validation('At least two subnets in two different Availability Zones must be specified');
  }
  return chosen.toSorted((a, b) => (a.spec.zone < b.spec.zone ? -1 : 1));
}

function checkInternet(scope: Scope, vpcId: string): void {
  const gateways = scope.tx.list(internetGateways, scope.region);
  if (gateways.some((gateway) => gateway.spec.vpcId === vpcId)) return;
  throw errors.invalidSubnet(`VPC ${vpcId} has no internet gateway`);
}

function chosenSecurityGroups(scope: Scope, vpcId: string, ids: readonly string[] | undefined): string[] {
  try {
    return resolveSecurityGroups(scope, vpcId, ids);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    // EC2's and this API's codes for the same mistake differ.
    throw errors.invalidSecurityGroup(error.message);
  }
}

/** One node in a zone: its interface in the subnet, and the record that its loop works from. */
function addNode(scope: Scope, loadBalancer: { id: string; spec: LoadBalancer['spec'] }, subnet: Subnet) {
  const nodeId = `elb-${subnet.spec.zone}-${scope.random.hex(6)}`;
  const owner = { kind: loadBalancers.kind, region: scope.region, id: loadBalancer.id };
  const made = createManagedInterface(scope, {
    owner,
    subnetId: subnet.id,
    securityGroupIds: loadBalancer.spec.securityGroupIds,
    description: `ELB ${fullName(loadBalancer.id)}`,
    interfaceType: 'load_balancer',
    endpointId: nodeId,
    withPublicAddress: loadBalancer.spec.scheme === 'internet-facing',
  });
  const { zone } = subnet.spec;
  scope.tx.create(nodes, {
    region: scope.region,
    id: nodeId,
    owner,
    spec: {
      loadBalancerId: loadBalancer.id,
      zone,
      subnetId: subnet.id,
      interfaceId: made.id,
      retired: false,
    },
    status: { serving: false, targets: [] },
  });
  return { zone, subnetId: subnet.id, nodeId };
}

function retireNode(scope: Scope, nodeId: string): void {
  const node = scope.tx.get(nodes, scope.region, nodeId);
  if (node) scope.tx.update(node, { spec: { ...node.spec, retired: true } });
}

interface Wanted {
  readonly name: string;
  readonly scheme: 'internet-facing' | 'internal';
  readonly chosen: readonly Subnet[];
  readonly vpcId: string;
  readonly securityGroupIds: readonly string[];
}

/** A repeated create with the same settings answers with what is there; with others it is refused. */
function existing(scope: Scope, wanted: Wanted): LoadBalancer | undefined {
  const found = scope.tx.list(loadBalancers, scope.region).find(({ spec }) => spec.name === wanted.name);
  if (!found) return undefined;
  const subnetIds = found.spec.zones.map((zone) => zone.subnetId);
  const same =
    found.spec.scheme === wanted.scheme &&
    subnetIds.join() === wanted.chosen.map((subnet) => subnet.id).join() &&
    found.spec.securityGroupIds.toSorted().join() === wanted.securityGroupIds.toSorted().join();
  if (!same) throw errors.duplicateLoadBalancer(wanted.name);
  return found;
}

function make(scope: Scope, wanted: Wanted, tags: Record<string, string>): LoadBalancer {
  const id = loadBalancerArn(scope, wanted.name);
  const number = 100_000_000 + scope.random.below(1_900_000_000);
  const prefix = wanted.scheme === 'internal' ? 'internal-' : '';
  const spec = {
    name: wanted.name,
    scheme: wanted.scheme,
    dnsName: `${prefix}${wanted.name}-${number}.${scope.region}.${scope.settings.loadBalancerSuffix}`,
    vpcId: wanted.vpcId,
    securityGroupIds: wanted.securityGroupIds,
    attributes: {},
  };
  const zones = wanted.chosen.map((subnet) => addNode(scope, { id, spec: { ...spec, zones: [] } }, subnet));
  return scope.tx.create(loadBalancers, {
    region: scope.region,
    id,
    spec: { ...spec, zones },
    status: { state: 'provisioning' },
    tags,
  });
}

export function createLoadBalancer(
  input: elb.CreateLoadBalancerInput,
  context: RequestContext,
): elb.CreateLoadBalancerOutput {
  const { Name: name = '', Type: type = 'application', Scheme: scheme = 'internet-facing' } = input;
  if (type !== 'application') throw errors.unsupported(`load balancers of the type ${type}`);
  if ((input.IpAddressType ?? 'ipv4') !== 'ipv4') {
    throw errors.unsupported(`the IpAddressType ${input.IpAddressType} of CreateLoadBalancer`);
  }
  refuseParameters('CreateLoadBalancer', input, [
    'CustomerOwnedIpv4Pool',
    'EnablePrefixForIpv6SourceNat',
    'IpamPools',
  ]);
  checkName('load balancer', name);
  const chosen = chosenSubnets(context, input);
  const vpcId = chosen[0]?.spec.vpcId ?? '';
  if (scheme === 'internet-facing') checkInternet(context, vpcId);
  const securityGroupIds = chosenSecurityGroups(context, vpcId, input.SecurityGroups);
  const wanted: Wanted = { name, scheme, chosen, vpcId, securityGroupIds };
  const tags = { ...tagsOf(input.Tags) };
  const loadBalancer = existing(context, wanted) ?? make(context, wanted, tags);
  return { LoadBalancers: [shown(loadBalancer)] };
}

function shown(loadBalancer: LoadBalancer): elb.LoadBalancer {
  const { spec, status } = loadBalancer;
  return {
    LoadBalancerArn: loadBalancer.id,
    DNSName: spec.dnsName,
    CanonicalHostedZoneId: 'Z1H1FL5HABSF5',
    CreatedTime: new Date(loadBalancer.createdAt),
    LoadBalancerName: spec.name,
    Scheme: spec.scheme,
    VpcId: spec.vpcId,
    State: { Code: status.state },
    Type: 'application',
    AvailabilityZones: spec.zones.map(({ zone, subnetId }) => ({
      ZoneName: zone,
      SubnetId: subnetId,
      LoadBalancerAddresses: [],
    })),
    SecurityGroups: [...spec.securityGroupIds],
    IpAddressType: 'ipv4',
  };
}

export function describeLoadBalancers(
  input: elb.DescribeLoadBalancersInput,
  context: RequestContext,
): elb.DescribeLoadBalancersOutput {
  const all = context.tx.list(loadBalancers, context.region);
  const names = input.Names ?? [];
  const arns = input.LoadBalancerArns ?? [];
  let found = all;
  if (names.length > 0) {
    found = all.filter(({ spec }) => names.includes(spec.name));
    const missing = names.filter((name) => !found.some(({ spec }) => spec.name === name));
    if (missing.length > 0) throw errors.loadBalancerNamesNotFound(missing);
  }
  if (arns.length > 0) {
    found = found.filter(({ id }) => arns.includes(id));
    if (arns.some((id) => !all.some((one) => one.id === id))) throw errors.loadBalancersNotFound();
  }
  const page = paginate(context, found, listingPosition, {
    call: 'DescribeLoadBalancers',
    token: input.Marker,
    limit: input.PageSize ?? 400,
    invalid: () => errors.validation('The marker is not valid'),
  });
  return { LoadBalancers: page.items.map(shown), NextMarker: page.nextToken };
}

/** Already gone is success, as AWS documents it. */
export function deleteLoadBalancer(
  input: elb.DeleteLoadBalancerInput,
  context: RequestContext,
): elb.DeleteLoadBalancerOutput {
  const { tx, region } = context;
  const loadBalancer = tx.get(loadBalancers, region, input.LoadBalancerArn ?? '');
  if (!loadBalancer) return {};
  if (loadBalancerAttribute(loadBalancer, 'deletion_protection.enabled') === 'true') {
    throw errors.deletionProtected(loadBalancer.id);
  }
  for (const listener of tx.list(listeners, region)) {
    if (listener.spec.loadBalancerId === loadBalancer.id) tx.remove(listener);
  }
  for (const { nodeId } of loadBalancer.spec.zones) retireNode(context, nodeId);
  tx.remove(loadBalancer);
  return {};
}

export function setSecurityGroups(
  input: elb.SetSecurityGroupsInput,
  context: RequestContext,
): elb.SetSecurityGroupsOutput {
  refuseParameters('SetSecurityGroups', input, ['EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic']);
  const loadBalancer = loadBalancerOf(context, input.LoadBalancerArn);
  const { tx, region } = context;
  if ((input.SecurityGroups ?? []).length === 0) {
    throw errors.validation('At least one security group must be specified');
  }
  const securityGroupIds = chosenSecurityGroups(context, loadBalancer.spec.vpcId, input.SecurityGroups);
  for (const { nodeId } of loadBalancer.spec.zones) {
    const node = tx.get(nodes, region, nodeId);
    const held = node && tx.get(networkInterfaces, region, node.spec.interfaceId);
    if (held) tx.update(held, { spec: { ...held.spec, securityGroupIds } });
  }
  tx.update(loadBalancer, { spec: { ...loadBalancer.spec, securityGroupIds } });
  return { SecurityGroupIds: securityGroupIds };
}

/** The new subnets replace the old ones; nodes in zones and subnets that stay are left as they are. */
export function setSubnets(input: elb.SetSubnetsInput, context: RequestContext): elb.SetSubnetsOutput {
  refuseParameters('SetSubnets', input, ['EnablePrefixForIpv6SourceNat']);
  if ((input.IpAddressType ?? 'ipv4') !== 'ipv4') {
    throw errors.unsupported(`the IpAddressType ${input.IpAddressType} of SetSubnets`);
  }
  const loadBalancer = loadBalancerOf(context, input.LoadBalancerArn);
  const chosen = chosenSubnets(context, input);
  if (chosen[0]?.spec.vpcId !== loadBalancer.spec.vpcId) {
    throw errors.invalidConfiguration(`The subnets must belong to the VPC ${loadBalancer.spec.vpcId}`);
  }
  const zones = chosen.map(
    (subnet) =>
      loadBalancer.spec.zones.find((zone) => zone.subnetId === subnet.id) ??
      addNode(context, loadBalancer, subnet),
  );
  for (const old of loadBalancer.spec.zones) {
    if (!zones.some((zone) => zone.nodeId === old.nodeId)) retireNode(context, old.nodeId);
  }
  context.tx.update(loadBalancer, { spec: { ...loadBalancer.spec, zones } });
  return {
    AvailabilityZones: zones.map(({ zone, subnetId }) => ({ ZoneName: zone, SubnetId: subnetId })),
    IpAddressType: 'ipv4',
  };
}

/** No capacity is reserved: nothing can reserve any. Terraform asks after every load balancer that it reads. */
export function describeCapacityReservation(
  input: elb.DescribeCapacityReservationInput,
  context: RequestContext,
): elb.DescribeCapacityReservationOutput {
  loadBalancerOf(context, input.LoadBalancerArn);
  return { CapacityReservationState: [] };
}
