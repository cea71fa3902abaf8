/**
 * The loop `elbv2.node`: one node of a load balancer in one zone.
 *
 * Wanted: what listeners, target groups and targets say, in the node's own namespace; a retired node gone, with its
 * interface. Observed: whether it serves, and what it sees of its targets, kept in the node's status for the loops of
 * target groups and load balancers. Woken by its records, by its targets' instances and addresses, by the network when
 * the interface comes into force, by the driver's watch, and each second while it serves.
 */
import type { TargetObservation } from '../../drivers/loadbalancer.ts';
import type { ReconcileResult, Reconciler } from '../../reconcile/reconciler.ts';
import { type LoopContext, loopScope } from '../common/service.ts';
import { deleteInterface, isInForce } from '../ec2/network/index.ts';
import { networkInterfaces } from '../ec2/records.ts';
import { concernedNodes } from './interested.ts';
import { nodeSpec } from './node-spec.ts';
import { type LoadBalancer, loadBalancers, type Node, type NodeStatus, nodes } from './records.ts';

const OBSERVE_EVERY_MS = 1_000;
/** The network's own change wakes the node; this is for a change that was missed. */
const NETWORK_RECHECK_MS = 5_000;

const viewOf = ({ targetGroupId, targetId, state, reason, code }: TargetObservation) => ({
  targetGroupId,
  targetId,
  state,
  ...(reason !== undefined && { reason }),
  ...(code !== undefined && { code }),
});

export function nodeLoop(context: LoopContext): Reconciler {
  const { store, drivers } = context;
  const driver = drivers.loadBalancer;
  /** What each node was last told, so that it is told again only when that differs or it died. */
  const told = new Map<string, string>();

  const write = (node: Node, status: NodeStatus): void => {
    store.transaction((tx) => {
      const current = tx.get(nodes, node.region, node.id);
      if (current) tx.update(current, { status });
    });
  };

  const takeDown = async (node: Node): Promise<void> => {
    await driver.remove(node.id);
    told.delete(node.id);
    store.transaction((tx) => {
      deleteInterface(loopScope(context, tx, node.region), node.spec.interfaceId);
      tx.remove(node);
    });
  };

  const tell = async (loadBalancer: LoadBalancer, node: Node, address: string): Promise<void> => {
    const spec = nodeSpec(store, loadBalancer, node, address);
    const text = JSON.stringify(spec);
    if (told.get(node.id) === text) return;
    told.delete(node.id);
    await driver.ensure(spec);
    told.set(node.id, text);
  };

  /** Observes the node, and starts it again when it turns out to be dead. */
  const observe = async (loadBalancer: LoadBalancer, node: Node, address: string) => {
    try {
      return await driver.observe(node.id);
    } catch (cause) {
      context.log.error('load balancer node is dead', { node: node.id, error: cause });
      told.delete(node.id);
    }
    try {
      await tell(loadBalancer, node, address);
      return await driver.observe(node.id);
    } catch (error) {
      told.delete(node.id);
      write(node, { serving: false, targets: [] });
      throw error;
    }
  };

  const serve = async (node: Node): Promise<ReconcileResult> => {
    const { region } = node;
    const loadBalancer = store.get(loadBalancers, region, node.spec.loadBalancerId);
    const held = store.get(networkInterfaces, region, node.spec.interfaceId);
    if (!loadBalancer || !held) throw new Error(`node ${node.id} lost its load balancer or its interface`);
    const { privateAddress, vpcId } = held.spec;
    // Later changes of the interface (its security groups) do not keep a serving node from its news.
    if (!node.status.serving && !isInForce(store, vpcId, region, held.revision)) {
      return { requeueAfterMs: NETWORK_RECHECK_MS };
    }
    await tell(loadBalancer, node, privateAddress);
    const observations = await observe(loadBalancer, node, privateAddress);
    write(node, { serving: true, targets: observations.map(viewOf) });
    return { requeueAfterMs: OBSERVE_EVERY_MS };
  };

  const keyOfNode = (id: string) => {
    const region = store.everywhere(nodes).find((node) => node.id === id)?.region ?? 'global';
    return { kind: nodes.kind, region, id };
  };

  return {
    name: 'elbv2.node',
    keysFor: (changed) =>
      concernedNodes(store, changed).map((id) => ({ kind: nodes.kind, region: changed.region, id })),
    found: async () => (await driver.list()).map(({ id }) => keyOfNode(id)),
    watch: (wake) => driver.watch((id) => wake(keyOfNode(id))),
    async reconcile(key) {
      const node = store.get(nodes, key.region, key.id);
      if (!node) {
        // Made by somebody who crashed before he wrote it down, or retired a moment ago.
        await driver.remove(key.id);
        told.delete(key.id);
        return undefined;
      }
      if (!node.spec.retired) return serve(node);
      await takeDown(node);
      return undefined;
    },
  };
}
