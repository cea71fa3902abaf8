/**
 * The loop `elbv2.load-balancer`: the name.
 *
 * Wanted: the load balancer's DNS name leads to every node that serves; the front door on loopback knows those of an
 * internet-facing one. Observed: its nodes' status. It becomes active when all of its nodes have come to serve. Woken by
 * its nodes and listeners.
 */
import type { PublishedRecord } from '../../drivers/edge.ts';
import type { ReconcileResult, Reconciler } from '../../reconcile/reconciler.ts';
import type { Resource, ResourceKey } from '../../store/resource.ts';
import type { LoopContext } from '../common/service.ts';
import { networkInterfaces } from '../ec2/records.ts';
import { listenersOf } from './node-spec.ts';
import {
  type ListenerRecordSpec,
  type LoadBalancer,
  listeners,
  loadBalancers,
  type Node,
  type NodeSpec,
  nodes,
} from './records.ts';

const PREFIX = 'elbv2/';
/** https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html */
const TTL_SECONDS = 60;

const nameKey = (id: string): string => `${PREFIX}name/${id}`;
const doorKey = (id: string): string => `${PREFIX}front-door/${id}`;

/** A node all of whose targets are unhealthy. */
const seesOnlySick = ({ status }: Node): boolean =>
  status.targets.length > 0 && status.targets.every((view) => view.state === 'unhealthy');

const seesHealthy = ({ status }: Node): boolean => status.targets.some((view) => view.state === 'healthy');

/**
 * The nodes that the name leads to: those that serve, without those that see no healthy target while another one does.
 * When no node sees any, all are named (fail-open).
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health.html
 */
export function namedNodes(all: readonly Node[]): Node[] {
  const serving = all.filter((node) => node.status.serving && !node.spec.retired);
  return serving.some(seesHealthy) ? serving.filter((node) => !seesOnlySick(node)) : serving;
}

export function loadBalancerLoop(context: LoopContext): Reconciler {
  const { store, drivers } = context;
  /** What was last published of each load balancer, as text. */
  const published = new Map<string, string>();

  const records = (loadBalancer: LoadBalancer, own: readonly Node[]): Map<string, PublishedRecord> => {
    const { region, id, spec } = loadBalancer;
    const internal = spec.scheme === 'internal';
    const addresses = namedNodes(own).flatMap((node) => {
      const held = store.get(networkInterfaces, region, node.spec.interfaceId)?.spec;
      const address = internal ? held?.privateAddress : held?.publicAddress;
      return address === undefined ? [] : [address];
    });
    const put = new Map<string, PublishedRecord>();
    if (addresses.length === 0) return put;
    const name = spec.dnsName.toLowerCase();
    const ports = listenersOf(store, region, id).map((listener) => listener.spec.port);
    put.set(nameKey(id), {
      kind: 'name',
      name,
      ...(internal && { vpcId: spec.vpcId }),
      addresses,
      ttlSeconds: TTL_SECONDS,
      ...(ports[0] !== undefined && { check: { port: ports[0] } }),
    });
    if (!internal) put.set(doorKey(id), { kind: 'front-door', name, nodes: addresses, ports });
    return put;
  };

  const publish = async (id: string, put: Map<string, PublishedRecord>): Promise<void> => {
    const text = JSON.stringify([...put]);
    if (published.get(id) === text) return;
    published.delete(id);
    const removed = [nameKey(id), doorKey(id)].filter((key) => !put.has(key));
    await drivers.edge.publish({ put, removed });
    published.set(id, text);
  };

  const idOf = (changed: Resource): string | undefined => {
    if (changed.kind === loadBalancers.kind) return changed.id;
    if (changed.kind === nodes.kind) return (changed.spec as NodeSpec).loadBalancerId;
    if (changed.kind === listeners.kind) return (changed.spec as ListenerRecordSpec).loadBalancerId;
    return undefined;
  };

  const reconcile = async (key: ResourceKey): Promise<ReconcileResult | undefined> => {
    const loadBalancer = store.get(loadBalancers, key.region, key.id);
    if (!loadBalancer) {
      await publish(key.id, new Map());
      published.delete(key.id);
      return undefined;
    }
    const own = store.list(nodes, key.region).filter(({ spec }) => spec.loadBalancerId === key.id);
    await publish(key.id, records(loadBalancer, own));
    const serving = own.filter(({ spec }) => !spec.retired).every(({ status }) => status.serving);
    if (serving && loadBalancer.status.state !== 'active') {
      store.transaction((tx) => {
        const current = tx.get(loadBalancers, key.region, key.id);
        if (current) tx.update(current, { status: { state: 'active' } });
      });
    }
    return undefined;
  };

  return {
    name: 'elbv2.load-balancer',
    keysFor(changed) {
      const id = idOf(changed);
      return id === undefined ? [] : [{ kind: loadBalancers.kind, region: changed.region, id }];
    },
    async found() {
      const keys = (await drivers.edge.list()).filter((key) => key.startsWith(PREFIX));
      const ids = new Set(keys.map((key) => key.slice(key.indexOf('arn:'))));
      return [...ids].map((id) => ({ kind: loadBalancers.kind, region: id.split(':')[3] ?? '', id }));
    },
    reconcile,
  };
}
