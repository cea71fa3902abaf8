/** The data plane on this machine, whole: the drivers that really run things, put together. */
import type { Clock } from '@holdfast/region/clock.ts';
import type { ComputeDriver } from '@holdfast/region/drivers/compute.ts';
import type { Drivers } from '@holdfast/region/drivers/index.ts';
import type { LoadBalancerDriver, LoadBalancerNodeSpec } from '@holdfast/region/drivers/loadbalancer.ts';
import type { NetworkDriver, VpcTopology } from '@holdfast/region/drivers/network.ts';
import type { Log } from '@holdfast/region/log.ts';
import { linuxCompute } from './compute/index.ts';
import { linuxEdge, superviseEdge } from './edge/index.ts';
import { endpointNamespace, type HostLayout } from './layout.ts';
import { linuxLoadBalancer } from './loadbalancer/index.ts';
import { linuxNetwork } from './network/index.ts';
import { linuxVolumes } from './volumes/index.ts';

export interface LinuxDrivers extends Drivers {
  /** Makes what all VPCs share, and sees to it that the edge runs. */
  start(): Promise<void>;
  /** Lets go of what this process holds. What runs goes on running. */
  close(): Promise<void>;
}

/** The region names namespaces by what lives in them; on this machine each has the region's prefix. */
const onThisMachine = (layout: HostLayout, topology: VpcTopology): VpcTopology => ({
  ...topology,
  interfaces: topology.interfaces.map((one) =>
    one.attachment
      ? {
          ...one,
          attachment: { ...one.attachment, namespace: endpointNamespace(layout, one.attachment.namespace) },
        }
      : one,
  ),
});

export interface LinuxDriversOptions {
  readonly log: Log;
  /** The region's clock, by which drivers tell when something happened. */
  readonly clock: Clock;
  /** How many times as fast that clock runs. */
  readonly speed: number;
}

/** HAProxy and the applications behind it live in the machine's own time: checks come `speed` times as often. */
const SHORTEST_CHECK_INTERVAL_MS = 100;

const inMachineTime = (node: LoadBalancerNodeSpec, speed: number): LoadBalancerNodeSpec => ({
  ...node,
  targetGroups: node.targetGroups.map((group) => {
    const intervalMs = Math.max(SHORTEST_CHECK_INTERVAL_MS, group.healthCheck.intervalMs / speed);
    return { ...group, healthCheck: { ...group.healthCheck, intervalMs: Math.round(intervalMs) } };
  }),
});

export function linuxDrivers(layout: HostLayout, { log, clock, speed }: LinuxDriversOptions): LinuxDrivers {
  const machines = linuxCompute(layout, { clock });
  const networks = linuxNetwork(layout);
  const volumes = linuxVolumes(layout);
  const nodes = linuxLoadBalancer(layout, { report: (error) => log.error('load balancer', { error }) });
  const edge = linuxEdge(layout);
  let supervision: { stop(): void } | undefined;

  const compute: ComputeDriver = {
    images: () => machines.images(),
    ensure: (machine) =>
      machines.ensure({ ...machine, namespace: endpointNamespace(layout, machine.namespace) }),
    status: (id) => machines.status(id),
    remove: (id) => machines.remove(id),
    list: () => machines.list(),
    watch: (changed) => machines.watch(changed),
    console: (id) => machines.console(id),
    responds: (id) => machines.responds(id),
    freeze: (id, frozen) => machines.freeze(id, frozen),
    crash: (id, boot) => machines.crash(id, boot),
    usage: (id) => machines.usage(id),
  };
  const network: NetworkDriver = {
    ...networks,
    apply: (topology, generation) => networks.apply(onThisMachine(layout, topology), generation),
  };
  const loadBalancer: LoadBalancerDriver = {
    ensure: (node) =>
      nodes.ensure({ ...inMachineTime(node, speed), namespace: endpointNamespace(layout, node.namespace) }),
    remove: (id) => nodes.remove(id),
    list: () => nodes.list(),
    observe: (id) => nodes.observe(id),
    counters: (id) => nodes.counters(id),
    watch: (changed) => nodes.watch(changed),
  };

  return {
    compute,
    network,
    volumes,
    loadBalancer,
    edge,
    async start() {
      await networks.start();
      supervision = superviseEdge(layout, { log });
    },
    async close() {
      supervision?.stop();
      await Promise.all([machines.close(), networks.close(), nodes.close(), edge.close()]);
    },
  };
}
