/** The drivers in memory keep the same contracts as those that really run things. */
import { virtualClock } from '@holdfast/region';
import { simCompute } from '@holdfast/region/drivers/sim/compute.ts';
import { simEdge } from '@holdfast/region/drivers/sim/edge.ts';
import { simLoadBalancer } from '@holdfast/region/drivers/sim/loadbalancer.ts';
import { simNetwork } from '@holdfast/region/drivers/sim/network.ts';
import { simVolumes } from '@holdfast/region/drivers/sim/volume.ts';
import { computeContract } from '../../packages/region/test/contracts/compute.ts';
import { edgeContract } from '../../packages/region/test/contracts/edge.ts';
import { loadBalancerContract } from '../../packages/region/test/contracts/loadbalancer.ts';
import { networkContract } from '../../packages/region/test/contracts/network.ts';
import { volumeContract } from '../../packages/region/test/contracts/volume.ts';

const nothing = async (): Promise<void> => {};

computeContract('in memory', async () => {
  const driver = simCompute(virtualClock());
  return {
    driver,
    makeNamespace: async (id) => id,
    makeVolume: nothing,
    mount: async (id, { volumeId }, mounted) => driver.mount(id, volumeId, mounted),
    end: async (id, how) => driver.end(id, how),
    hang: async (id, hung) => driver.hang(id, hung),
    dispose: nothing,
  };
});

networkContract('in memory', async () => {
  const driver = simNetwork();
  return {
    driver,
    outsideAddress: '203.0.113.7',
    publicAddress: (n) => `198.18.1.${n}`,
    namespace: (id) => id,
    reaches: async (attempt) => driver.reaches(attempt),
    publicAddressSeen: async (id) => driver.publicAddressSeen(id),
    close: nothing,
  };
});

loadBalancerContract('in memory', async () => {
  const clock = virtualClock();
  const driver = simLoadBalancer(clock, () => 'down');
  return {
    driver,
    namespace: 'node',
    address: '10.0.0.10',
    target: (number) => ({ id: `i-${number}:80`, address: `10.0.1.${number}`, port: 80, draining: false }),
    behave: async (target, behaviour, path) => driver.behave(target, behaviour, path),
    request: async (nodeId, path) => driver.request(nodeId, 80, path),
    now: clock.now,
    advance: (durationMs) => clock.advance(durationMs),
    kill: async (nodeId) => driver.kill(nodeId),
    close: nothing,
  };
});

edgeContract('in memory', async () => ({ driver: simEdge(), close: nothing }));

volumeContract('in memory', async () => {
  const driver = simVolumes();
  return {
    driver,
    write: async (id, text) => driver.write(id, text),
    read: async (id) => driver.read(id) ?? '',
    dispose: nothing,
  };
});
