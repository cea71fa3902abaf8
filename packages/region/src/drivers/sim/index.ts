/** All drivers in memory, on one clock: what tests run on, and what `--driver sim` offers for API-only work. */
import type { Clock } from '../../clock.ts';
import type { Drivers } from '../index.ts';
import { type SimCompute, simCompute } from './compute.ts';
import { type SimEdge, simEdge } from './edge.ts';
import { type SimLoadBalancer, simLoadBalancer } from './loadbalancer.ts';
import { type SimNetwork, simNetwork } from './network.ts';
import { type SimVolumes, simVolumes } from './volume.ts';

export interface SimDrivers extends Drivers {
  readonly compute: SimCompute;
  readonly network: SimNetwork;
  readonly volumes: SimVolumes;
  readonly loadBalancer: SimLoadBalancer;
  readonly edge: SimEdge;
}

/**
 * Drivers that know of each other: a target answers 200 on every port when the machine that has its address runs and the
 * network lets the node reach it, is silent when the network drops or the machine is frozen, and is down when there is no
 * such machine.
 */
export function simDrivers(clock: Clock): SimDrivers {
  const compute = simCompute(clock);
  const network = simNetwork();
  const volumes = simVolumes();
  const edge = simEdge();
  const running = new Map<string, boolean>();
  const refresh = async (namespace: string): Promise<void> => {
    running.set(namespace, (await compute.status(namespace))?.state === 'running');
  };
  compute.watch((id) => running.set(id, false));
  const observed: SimCompute = {
    ...compute,
    async ensure(machine) {
      const status = await compute.ensure(machine);
      await refresh(machine.namespace);
      return status;
    },
    async remove(id) {
      await compute.remove(id);
      await refresh(id);
    },
  };
  const loadBalancer = simLoadBalancer(clock, (node, target) => {
    const at = network.find(node.namespace);
    const namespace = at && network.namespaceAt(target.address, at.vpcId);
    if (!at || namespace === undefined || running.get(namespace) !== true) return 'down';
    const open = network.reaches({
      from: at.interfaceId,
      to: target.address,
      protocol: 6,
      port: target.port,
    });
    return open && !compute.isFrozen(namespace) ? { status: 200 } : 'silent';
  });
  return { compute: observed, network, volumes, loadBalancer, edge };
}
