/**
 * The loop `ec2.vpc`. Wanted: on the network, each VPC with its subnets, routes, rules and interfaces exactly as the store
 * says, and its router known to the edge. Observed: the VPCs that the network driver has. Woken by every change of what
 * stands in a VPC, and of logical hosts and faults, which cut interfaces and NAT gateways off.
 *
 * It writes the VPC's `status.appliedSequence`: what was written up to there is in force. Its own write wakes it again, and
 * must not make it write again: it writes only when something was newer than what is in force.
 */
import type { Drivers } from '../../../drivers/index.ts';
import type { ReconcileResult, Reconciler } from '../../../reconcile/reconciler.ts';
import { keyOf, type Resource, type ResourceKey } from '../../../store/resource.ts';
import type { LoopContext } from '../../common/service.ts';
import { faults } from '../fault/fault.ts';
import {
  hosts,
  instances,
  internetGateways,
  natGateways,
  networkAcls,
  networkInterfaces,
  routeTables,
  securityGroups,
  subnets,
  type Vpc,
  vpcs,
} from '../records.ts';
import { cidrOf, formatAddress } from './cidr.ts';
import { latestRevision, planTopology } from './topology.ts';

/** What did not change is handed to the drivers again after this long, to mend what was broken behind our back. */
const MEND_AFTER_MS = 30_000;

/** Where a VPC is looked for that the drivers have and the store does not: in no region. */
const NOWHERE = 'nowhere';

const contentKinds: ReadonlySet<string> = new Set(
  [subnets, securityGroups, internetGateways, routeTables, networkAcls, networkInterfaces, natGateways].map(
    ({ kind }) => kind,
  ),
);

/** What this process last brought into force. After a restart nothing is known, and each VPC is applied once. */
interface Applied {
  readonly topology: string;
  readonly record: string;
  readonly at: number;
}

export function vpcLoop(context: LoopContext): Reconciler {
  const { store, drivers, clock } = context;
  const applied = new Map<string, Applied>();
  /** Revisions that the loop's own status writes gave the VPCs. */
  const ownRevisions = new Map<string, number>();
  const keyOfVpc = (region: string, id: string): ResourceKey => ({ kind: vpcs.kind, region, id });

  function keysFor(changed: Resource): ResourceKey[] {
    const { kind, region, id } = changed;
    if (kind === vpcs.kind) return [keyOfVpc(region, id)];
    if (contentKinds.has(kind)) {
      const { vpcId } = changed.spec as { vpcId?: string };
      // A gateway that was just detached names no VPC any more; whoever had it has a route or a public address to lose.
      if (vpcId === undefined) return store.list(vpcs, region).map(keyOf);
      return [keyOfVpc(region, vpcId)];
    }
    if (kind === hosts.kind || kind === faults.kind) return store.list(vpcs, region).map(keyOf);
    // While all hosts are well it makes no difference to the network where an instance lives.
    if (kind !== instances.kind || !store.list(hosts, region).some(({ spec }) => spec.failed)) return [];
    return [keyOfVpc(region, (changed.spec as { vpcId: string }).vpcId)];
  }

  /**
   * At the start of this process nothing is known to be in force: the machine may have been restarted meanwhile, or the
   * network taken down. Said before any loop looks, so that no machine is started into a network that is not there.
   */
  function watch(): () => void {
    store.transaction((tx) => {
      for (const vpc of store.everywhere(vpcs)) tx.update(vpc, { status: { appliedSequence: 0 } });
    });
    return () => {};
  }

  /** Every VPC that the network has or that the edge was told of. */
  async function found(): Promise<ResourceKey[]> {
    const published = (await drivers.edge.list()).filter((key) => key.startsWith('vpc/'));
    const existing = (await drivers.network.list()).map(({ vpcId }) => vpcId);
    const regionOf = new Map(store.everywhere(vpcs).map(({ id, region }) => [id, region]));
    const ids = new Set([...existing, ...published.map((key) => key.slice('vpc/'.length))]);
    return [...ids].map((id) => keyOfVpc(regionOf.get(id) ?? NOWHERE, id));
  }

  /** The latest revision of the VPC and what is in it, the loop's own writes not counted. */
  function latestWrite(vpc: Vpc): number {
    const itself = vpc.revision === ownRevisions.get(vpc.id) ? 0 : vpc.revision;
    return Math.max(latestRevision(store, vpc), itself);
  }

  function recordApplied(vpc: Vpc, sequence: number): void {
    store.transaction((tx) => {
      const current = tx.get(vpcs, vpc.region, vpc.id);
      if (!current) return;
      const { revision } = tx.update(current, { status: { appliedSequence: sequence } });
      if (current.revision === vpc.revision) ownRevisions.set(vpc.id, revision);
    });
  }

  async function reconcile(key: ResourceKey): Promise<ReconcileResult | undefined> {
    const vpc = store.get(vpcs, key.region, key.id);
    if (!vpc) {
      applied.delete(key.id);
      ownRevisions.delete(key.id);
      await forget(drivers, key.id);
      return undefined;
    }
    const sequence = store.sequence;
    const topology = planTopology(store, vpc);
    const record = routerRecord(vpc);
    const next = { topology: JSON.stringify(topology), record: JSON.stringify(record), at: clock.now() };
    const last = applied.get(vpc.id);
    const mend = !last || next.at - last.at >= MEND_AFTER_MS;
    const changed = next.topology !== last?.topology || next.record !== last.record;
    if (changed || mend) {
      // While it is being applied, and after a failure, nobody knows what is in force.
      applied.delete(vpc.id);
      await drivers.network.apply(topology, sequence);
      if (mend || next.record !== last.record) {
        await drivers.edge.publish({ put: new Map([[`vpc/${vpc.id}`, record]]), removed: [] });
      }
      applied.set(vpc.id, next);
    }
    if (changed || latestWrite(vpc) > vpc.status.appliedSequence) recordApplied(vpc, sequence);
    return undefined;
  }

  return { name: 'ec2.vpc', keysFor, found, watch, reconcile };
}

async function forget(drivers: Drivers, vpcId: string): Promise<void> {
  await drivers.edge.publish({ put: new Map(), removed: [`vpc/${vpcId}`] });
  await drivers.network.remove(vpcId);
}

/** The router's resolver has the VPC's base address plus two. */
function routerRecord({ id, spec }: Vpc) {
  const { base } = cidrOf(spec.cidrs[0] ?? '');
  return {
    kind: 'vpc',
    vpcId: id,
    resolver: formatAddress(base + 2),
    dnsSupport: spec.enableDnsSupport,
  } as const;
}
