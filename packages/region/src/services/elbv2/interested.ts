/** Which load balancers' nodes and which target groups a changed resource concerns: ids only. */
import type { Resource } from '../../store/resource.ts';
import type { Reader } from '../../store/store.ts';
import { instances, type NetworkInterfaceSpec, networkInterfaces, vpcs } from '../ec2/records.ts';
import { groupsOfLoadBalancer } from './node-spec.ts';
import {
  type ListenerRecordSpec,
  listeners,
  loadBalancers,
  type NodeSpec,
  nodes,
  type TargetRecordSpec,
  targetGroups,
  targets,
} from './records.ts';
import { loadBalancerOfGroup } from './target-group.ts';

const groupsOfInstance = (reader: Reader, region: string, instanceId: string): string[] => [
  ...new Set(
    reader
      .list(targets, region)
      .filter(({ spec }) => spec.targetId === instanceId)
      .map(({ spec }) => spec.targetGroupId),
  ),
];

/** ARNs of the target groups whose targets' health may differ now. */
export function concernedGroups(reader: Reader, changed: Resource): string[] {
  const { kind, region, id } = changed;
  if (kind === targetGroups.kind) return [id];
  if (kind === targets.kind) return [(changed.spec as TargetRecordSpec).targetGroupId];
  if (kind === nodes.kind) {
    return groupsOfLoadBalancer(reader, region, (changed.spec as NodeSpec).loadBalancerId);
  }
  // A listener that forwarded elsewhere before does not say where: all groups look.
  if (kind === listeners.kind) return reader.list(targetGroups, region).map((group) => group.id);
  if (kind === loadBalancers.kind) return groupsOfLoadBalancer(reader, region, id);
  if (kind === instances.kind) return groupsOfInstance(reader, region, id);
  return [];
}

/** ARNs of the load balancers whose nodes may have to be made anew. */
function concernedLoadBalancers(reader: Reader, changed: Resource): string[] {
  const { kind, region, id } = changed;
  const ofGroups = (groups: readonly string[]): string[] =>
    groups
      .map((group) => loadBalancerOfGroup(reader, region, group))
      .filter((loadBalancer) => loadBalancer !== undefined);
  if (kind === loadBalancers.kind) return [id];
  if (kind === listeners.kind) return [(changed.spec as ListenerRecordSpec).loadBalancerId];
  if (kind === targetGroups.kind) return ofGroups([id]);
  if (kind === targets.kind) return ofGroups([(changed.spec as TargetRecordSpec).targetGroupId]);
  if (kind === instances.kind) return ofGroups(groupsOfInstance(reader, region, id));
  return [];
}

/** Ids of the nodes that may have to be made anew. */
export function concernedNodes(reader: Reader, changed: Resource): string[] {
  const { kind, region, id } = changed;
  if (kind === nodes.kind) return [id];
  const all = reader.list(nodes, region);
  if (all.length === 0) return [];
  if (kind === vpcs.kind) {
    const waiting = all.filter(({ status }) => !status.serving);
    return waiting
      .filter(({ spec }) => reader.get(networkInterfaces, region, spec.interfaceId)?.spec.vpcId === id)
      .map((node) => node.id);
  }
  if (kind === networkInterfaces.kind) {
    const endpoint = (changed.spec as NetworkInterfaceSpec).attachment?.endpointId ?? '';
    if (all.some((node) => node.id === endpoint)) return [endpoint];
    return concernedNodes(reader, { ...changed, kind: instances.kind, id: endpoint });
  }
  const wanted = new Set(concernedLoadBalancers(reader, changed));
  return all.filter(({ spec }) => wanted.has(spec.loadBalancerId)).map((node) => node.id);
}
