/** A region on the kernel's network. Everything else is simulated: machines have namespaces, and nothing runs in them. */
import type { HostLayout } from '@holdfast/linux/layout.ts';
import { virtualClock } from '@holdfast/region/clock.ts';
import type { NetworkDriver } from '@holdfast/region/drivers/network.ts';
import { simDrivers } from '@holdfast/region/drivers/sim/index.ts';
import type { openNetwork } from '../../packages/linux/test/network-harness.ts';
import { networkWorld } from '../../packages/region/test/ec2-network-world.ts';

export type World = Awaited<ReturnType<typeof networkWorld>>;
export type Network = Awaited<ReturnType<typeof openNetwork>>;

export async function openWorld(network: Network, layout: HostLayout): Promise<World> {
  const { driver } = network;
  const onThisMachine: NetworkDriver = {
    ...driver,
    apply: (topology, generation) => {
      const interfaces = topology.interfaces.map((one) =>
        one.attachment
          ? {
              ...one,
              attachment: { ...one.attachment, namespace: network.namespace(one.attachment.namespace) },
            }
          : one,
      );
      return driver.apply({ ...topology, interfaces }, generation);
    },
  };
  const clock = virtualClock();
  const sim = simDrivers(clock);
  const drivers = { ...sim, network: { ...sim.network, ...onThisMachine } };
  return networkWorld({ clock, drivers, settings: { publicCidr: layout.publicCidr } });
}
