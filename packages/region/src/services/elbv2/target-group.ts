/** Target groups of instances and addresses, over HTTP. */
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Reader } from '../../store/store.ts';
import { refuseParameters } from '../common/errors.ts';
import { listingPosition, paginate } from '../common/pagination.ts';
import type { RequestContext, Scope } from '../common/service.ts';
import { vpcs } from '../ec2/records.ts';
import { groupsOfAction } from './action.ts';
import { errors } from './errors.ts';
import { defaultHealthCheck, healthCheckOf } from './health-check.ts';
import { loadBalancerOf } from './load-balancer.ts';
import { checkName, targetGroupArn } from './names.ts';
import { listeners, type TargetGroup, type TargetGroupRecordSpec, targetGroups, targets } from './records.ts';
import { tagsOf } from './tags.ts';

/** The target group of that ARN. Throws `TargetGroupNotFound`, `ValidationError`. */
export function targetGroupOf(scope: Scope, id: string | undefined): TargetGroup {
  if (!id?.includes(':targetgroup/'))
    throw errors.validation(`'${id ?? ''}' is not a valid target group ARN`);
  const found = scope.tx.get(targetGroups, scope.region, id);
  if (!found) throw errors.targetGroupNotFound();
  return found;
}

/** The load balancer that forwards to this group, by ARN; undefined when none does. */
export function loadBalancerOfGroup(reader: Reader, region: string, groupId: string): string | undefined {
  const forwarding = reader
    .list(listeners, region)
    .find(({ spec }) => groupsOfAction(spec.defaultAction).includes(groupId));
  return forwarding?.spec.loadBalancerId;
}

function specOf(scope: Scope, input: elb.CreateTargetGroupInput): TargetGroupRecordSpec {
  const { Name: name = '', TargetType: targetType = 'instance' } = input;
  checkName('target group', name);
  if (targetType !== 'instance' && targetType !== 'ip') {
    throw errors.unsupported(`target groups of the type ${targetType}`);
  }
  if (input.Protocol === undefined) throw errors.validation('A protocol must be specified');
  if (input.Protocol !== 'HTTP') throw errors.unsupported(`target groups over ${input.Protocol}`);
  // Terraform's provider says the protocol version of a group that has none given as an empty text.
  if ((input.ProtocolVersion || 'HTTP1') !== 'HTTP1') {
    throw errors.unsupported(`the ProtocolVersion ${input.ProtocolVersion} of CreateTargetGroup`);
  }
  if ((input.IpAddressType ?? 'ipv4') !== 'ipv4') {
    throw errors.unsupported(`the IpAddressType ${input.IpAddressType} of CreateTargetGroup`);
  }
  refuseParameters('CreateTargetGroup', input, ['TargetControlPort']);
  if (input.Port === undefined) throw errors.validation('A port must be specified');
  if (input.Port < 1 || input.Port > 65_535) {
    throw errors.validation(`The port '${input.Port}' must be between 1 and 65535`);
  }
  if (input.VpcId === undefined) throw errors.validation('A VPC ID must be specified');
  if (!scope.tx.get(vpcs, scope.region, input.VpcId)) {
    throw errors.validation(`The VPC ID '${input.VpcId}' is not found`);
  }
  return {
    name,
    targetType,
    protocol: 'HTTP',
    port: input.Port,
    vpcId: input.VpcId,
    healthCheck: healthCheckOf(input, defaultHealthCheck),
    attributes: {},
  };
}

export function createTargetGroup(
  input: elb.CreateTargetGroupInput,
  context: RequestContext,
): elb.CreateTargetGroupOutput {
  const { tx, region } = context;
  const spec = specOf(context, input);
  const found = tx.list(targetGroups, region).find((group) => group.spec.name === spec.name);
  if (found) {
    const same = JSON.stringify({ ...found.spec, attributes: {} }) === JSON.stringify(spec);
    if (!same) throw errors.duplicateTargetGroup(spec.name);
    return { TargetGroups: [shown(context, found)] };
  }
  const id = targetGroupArn(context, spec.name);
  const made = tx.create(targetGroups, { region, id, spec, status: null, tags: tagsOf(input.Tags) });
  return { TargetGroups: [shown(context, made)] };
}

function shown(scope: Scope, group: TargetGroup): elb.TargetGroup {
  const { spec } = group;
  const check = spec.healthCheck;
  const loadBalancer = loadBalancerOfGroup(scope.tx, scope.region, group.id);
  return {
    TargetGroupArn: group.id,
    TargetGroupName: spec.name,
    Protocol: spec.protocol,
    Port: spec.port,
    VpcId: spec.vpcId,
    HealthCheckProtocol: check.protocol,
    HealthCheckPort: check.port,
    HealthCheckEnabled: true,
    HealthCheckIntervalSeconds: check.intervalS,
    HealthCheckTimeoutSeconds: check.timeoutS,
    HealthyThresholdCount: check.healthyThreshold,
    UnhealthyThresholdCount: check.unhealthyThreshold,
    HealthCheckPath: check.path,
    Matcher: { HttpCode: check.matcher },
    LoadBalancerArns: loadBalancer === undefined ? [] : [loadBalancer],
    TargetType: spec.targetType,
    ProtocolVersion: 'HTTP1',
    IpAddressType: 'ipv4',
  };
}

export function describeTargetGroups(
  input: elb.DescribeTargetGroupsInput,
  context: RequestContext,
): elb.DescribeTargetGroupsOutput {
  const { tx, region } = context;
  const names = input.Names ?? [];
  const arns = input.TargetGroupArns ?? [];
  let found = tx.list(targetGroups, region);
  if (names.length > 0) {
    found = found.filter(({ spec }) => names.includes(spec.name));
    if (found.length < new Set(names).size) throw errors.targetGroupNotFound();
  }
  if (arns.length > 0) {
    found = found.filter(({ id }) => arns.includes(id));
    if (found.length < new Set(arns).size) throw errors.targetGroupNotFound();
  }
  if (input.LoadBalancerArn !== undefined) {
    const loadBalancer = loadBalancerOf(context, input.LoadBalancerArn);
    found = found.filter(({ id }) => loadBalancerOfGroup(tx, region, id) === loadBalancer.id);
  }
  const page = paginate(context, found, listingPosition, {
    call: `DescribeTargetGroups ${input.LoadBalancerArn ?? ''}`,
    token: input.Marker,
    limit: input.PageSize ?? 400,
    invalid: () => errors.validation('The marker is not valid'),
  });
  return { TargetGroups: page.items.map((group) => shown(context, group)), NextMarker: page.nextToken };
}

export function modifyTargetGroup(
  input: elb.ModifyTargetGroupInput,
  context: RequestContext,
): elb.ModifyTargetGroupOutput {
  const group = targetGroupOf(context, input.TargetGroupArn);
  const healthCheck = healthCheckOf(input, group.spec.healthCheck);
  const changed = context.tx.update(group, { spec: { ...group.spec, healthCheck } });
  return { TargetGroups: [shown(context, changed)] };
}

/** Takes its targets with it. Already gone is success. */
export function deleteTargetGroup(
  input: elb.DeleteTargetGroupInput,
  context: RequestContext,
): elb.DeleteTargetGroupOutput {
  const { tx, region } = context;
  const group = tx.get(targetGroups, region, input.TargetGroupArn ?? '');
  if (!group) return {};
  if (loadBalancerOfGroup(tx, region, group.id) !== undefined) throw errors.targetGroupInUse(group.id);
  for (const target of tx.list(targets, region)) {
    if (target.spec.targetGroupId === group.id) tx.remove(target);
  }
  tx.remove(group);
  return {};
}
