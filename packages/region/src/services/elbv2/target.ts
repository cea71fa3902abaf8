/** Targets: registering, deregistering, their health. */
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import { refuseParameters } from '../common/errors.ts';
import type { RequestContext, Scope } from '../common/service.ts';
import { cidrOf, holdsAddress, parseAddress } from '../ec2/network/cidr.ts';
import { instances, vpcs } from '../ec2/records.ts';
import { deregistrationDelayMs } from './attributes.ts';
import { errors } from './errors.ts';
import { type Target, type TargetGroup, type TargetHealth, targets } from './records.ts';
import { loadBalancerOfGroup, targetGroupOf } from './target-group.ts';

export const targetRecordId = (groupId: string, targetId: string, port: number): string =>
  `${groupId}#${targetId}:${port}`;

/** Every target of a group. */
export const targetsOf = (scope: Pick<Scope, 'tx' | 'region'>, groupId: string): Target[] =>
  scope.tx.list(targets, scope.region).filter(({ spec }) => spec.targetGroupId === groupId);

function checkInstance(scope: Scope, group: TargetGroup, id: string): void {
  const instance = scope.tx.get(instances, scope.region, id);
  if (!instance) throw errors.invalidTarget(`The following targets do not exist: '${id}'`);
  if (instance.spec.vpcId !== group.spec.vpcId) {
    throw errors.invalidTarget(
      `The following targets are not in the target group VPC '${group.spec.vpcId}': '${id}'`,
    );
  }
  if (instance.status.state !== 'running') {
    throw errors.invalidTarget(
      `The following targets are not in a running state and cannot be registered: '${id}'`,
    );
  }
}

/** An address target must be in the VPC, or in a private range that the VPC may have a route to. */
function checkAddress(scope: Scope, group: TargetGroup, id: string, zone: string | undefined): void {
  const address = parseAddress(id);
  if (address === undefined) throw errors.validation(`The IP address '${id}' is not a valid IPv4 address`);
  const vpc = scope.tx.get(vpcs, scope.region, group.spec.vpcId);
  const inside = (vpc?.spec.cidrs ?? []).some((cidr) => holdsAddress(cidrOf(cidr), address));
  if (inside) {
    if (zone === 'all') {
      throw errors.validation("You cannot specify 'all' as the Availability Zone for an address in the VPC");
    }
    return;
  }
  throw errors.unsupported(`the address ${id} outside the VPC of the target group`);
}

/** Adds a target to a group; one that drains is taken back. Throws `InvalidTarget`. */
export function registerTarget(scope: Scope, group: TargetGroup, target: elb.TargetDescription): void {
  const { Id: targetId = '', Port: port = group.spec.port } = target;
  refuseParameters('RegisterTargets', target, ['QuicServerId']);
  if (port < 1 || port > 65_535) throw errors.validation(`The port '${port}' must be between 1 and 65535`);
  if (group.spec.targetType === 'instance') {
    if (!/^i-[0-9a-f]{8,17}$/.test(targetId)) {
      throw errors.validation(`Instance ID '${targetId}' is not valid`);
    }
    checkInstance(scope, group, targetId);
  } else checkAddress(scope, group, targetId, target.AvailabilityZone);
  const id = targetRecordId(group.id, targetId, port);
  const spec = { targetGroupId: group.id, targetId, port };
  const known = scope.tx.get(targets, scope.region, id);
  if (known) {
    scope.tx.update(known, { spec });
    return;
  }
  const status = initialHealth(scope, group);
  scope.tx.create(targets, { region: scope.region, id, owner: group, spec, status });
}

/** What a target is until its loop has seen it. */
const initialHealth = (scope: Scope, group: TargetGroup): TargetHealth =>
  loadBalancerOfGroup(scope.tx, scope.region, group.id) === undefined
    ? notInUse()
    : {
        state: 'initial',
        reason: 'Elb.RegistrationInProgress',
        description: 'Target registration is in progress',
      };

export const notInUse = (
  description = 'Target group is not configured to receive traffic from the load balancer',
): TargetHealth => ({ state: 'unused', reason: 'Target.NotInUse', description });

/**
 * Takes a target out of a group: it drains for the group's deregistration delay, and goes at once when no traffic can be
 * on its way to it. One that is not registered is left alone.
 */
export function deregisterTarget(scope: Scope, group: TargetGroup, target: Target): void {
  if (target.spec.deregisteredAt !== undefined) return;
  const idle = loadBalancerOfGroup(scope.tx, scope.region, group.id) === undefined;
  if (idle || deregistrationDelayMs(group) === 0) scope.tx.remove(target);
  else scope.tx.update(target, { spec: { ...target.spec, deregisteredAt: scope.now } });
}

export function registerTargets(
  input: elb.RegisterTargetsInput,
  context: RequestContext,
): elb.RegisterTargetsOutput {
  const group = targetGroupOf(context, input.TargetGroupArn);
  for (const target of input.Targets ?? []) registerTarget(context, group, target);
  return {};
}

/** The targets that a description means: without a port, all of that id. */
const meant = (all: readonly Target[], { Id, Port }: elb.TargetDescription): Target[] =>
  all.filter(({ spec }) => spec.targetId === Id && (Port === undefined || spec.port === Port));

export function deregisterTargets(
  input: elb.DeregisterTargetsInput,
  context: RequestContext,
): elb.DeregisterTargetsOutput {
  const group = targetGroupOf(context, input.TargetGroupArn);
  const all = targetsOf(context, group.id);
  for (const description of input.Targets ?? []) {
    for (const target of meant(all, description)) deregisterTarget(context, group, target);
  }
  return {};
}

const shownHealth = ({ state, reason, description }: TargetHealth): elb.TargetHealth => ({
  State: state,
  Reason: reason as elb.TargetHealthReasonEnum | undefined,
  Description: description,
});

export function describeTargetHealth(
  input: elb.DescribeTargetHealthInput,
  context: RequestContext,
): elb.DescribeTargetHealthOutput {
  const group = targetGroupOf(context, input.TargetGroupArn);
  if (input.Include?.some((what) => what !== 'AnomalyDetection')) {
    throw errors.unsupported(`Include ${input.Include.join(', ')} of DescribeTargetHealth`);
  }
  const all = targetsOf(context, group.id);
  const { port } = group.spec.healthCheck;
  const describe = (target: Target): elb.TargetHealthDescription => ({
    Target: { Id: target.spec.targetId, Port: target.spec.port },
    HealthCheckPort: port === 'traffic-port' ? String(target.spec.port) : port,
    TargetHealth: shownHealth(target.status),
  });
  const asked = input.Targets ?? [];
  if (asked.length === 0) return { TargetHealthDescriptions: all.map(describe) };
  const found = asked.flatMap((description) => {
    const known = meant(all, description);
    if (known.length > 0) return known.map(describe);
    const unknown: elb.TargetHealthDescription = {
      Target: { Id: description.Id, Port: description.Port ?? group.spec.port },
      TargetHealth: {
        State: 'unused',
        Reason: 'Target.NotRegistered',
        Description: 'Target is not registered to the target group',
      },
    };
    return [unknown];
  });
  return { TargetHealthDescriptions: found };
}
