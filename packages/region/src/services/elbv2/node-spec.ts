/** One node as the driver is to make it, from the records. Pure. */
import type { LoadBalancerNodeSpec, TargetGroupSpec, TargetSpec } from '../../drivers/loadbalancer.ts';
import type { Reader } from '../../store/store.ts';
import { groupsOfAction } from './action.ts';
import { loadBalancerAttribute, targetGroupAttribute } from './attributes.ts';
import { driverHealthCheck } from './health-check.ts';
import {
  type Listener,
  type LoadBalancer,
  listeners,
  type Node,
  type TargetGroup,
  targetGroups,
  targets,
} from './records.ts';
import { driverTargetId } from './target-health.ts';
import { targetPlaces } from './target-place.ts';

export const listenersOf = (reader: Reader, region: string, loadBalancerId: string): Listener[] =>
  reader
    .list(listeners, region)
    .filter(({ spec }) => spec.loadBalancerId === loadBalancerId)
    .toSorted((a, b) => a.spec.port - b.spec.port);

/** ARNs of the groups that a load balancer's listeners forward to, each once. */
export const groupsOfLoadBalancer = (reader: Reader, region: string, loadBalancerId: string): string[] => [
  ...new Set(
    listenersOf(reader, region, loadBalancerId).flatMap(({ spec }) => groupsOfAction(spec.defaultAction)),
  ),
];

/**
 * The targets of a group that get traffic or checks. Every node has all of them: cross-zone load balancing is on. A
 * target whose instance does not run is left out, so that no check has to find that out first; one whose instance is
 * on its way down gets nothing new.
 */
function targetSpecs(
  reader: Reader,
  region: string,
  group: TargetGroup,
  zones: readonly string[],
): TargetSpec[] {
  const placeOf = targetPlaces(reader, region);
  return reader
    .list(targets, region)
    .filter(({ spec }) => spec.targetGroupId === group.id)
    .flatMap((target): TargetSpec[] => {
      const { address, zone, instanceState: state } = placeOf(group, target);
      if (address === undefined || (zone !== undefined && !zones.includes(zone))) return [];
      if (group.spec.targetType === 'instance' && (state === 'stopped' || state === 'terminated')) return [];
      const ending = state === 'stopping' || state === 'shutting-down';
      const draining = ending || target.spec.deregisteredAt !== undefined;
      return [{ id: driverTargetId(target.spec), address, port: target.spec.port, draining }];
    });
}

export function nodeSpec(
  reader: Reader,
  loadBalancer: LoadBalancer,
  node: Node,
  address: string,
): LoadBalancerNodeSpec {
  const { region } = loadBalancer;
  const zones = loadBalancer.spec.zones.map(({ zone }) => zone);
  const groups = groupsOfLoadBalancer(reader, region, loadBalancer.id).flatMap((id): TargetGroupSpec[] => {
    const group = reader.get(targetGroups, region, id);
    if (!group) return [];
    const algorithm = targetGroupAttribute(group, 'load_balancing.algorithm.type');
    return [
      {
        id,
        protocol: group.spec.protocol,
        algorithm: algorithm === 'least_outstanding_requests' ? algorithm : 'round_robin',
        healthCheck: driverHealthCheck(group.spec.healthCheck),
        targets: targetSpecs(reader, region, group, zones),
      },
    ];
  });
  return {
    id: node.id,
    namespace: node.id,
    address,
    zone: node.spec.zone,
    idleTimeoutMs: Number(loadBalancerAttribute(loadBalancer, 'idle_timeout.timeout_seconds')) * 1000,
    listeners: listenersOf(reader, region, loadBalancer.id).map(({ id, spec }) => ({
      id,
      port: spec.port,
      protocol: spec.protocol,
      defaultAction: spec.defaultAction,
    })),
    targetGroups: groups,
  };
}
