/** The machines in memory keep the contract of all compute drivers. */
import { virtualClock } from '../src/clock.ts';
import { simCompute } from '../src/drivers/sim/compute.ts';
import { computeContract } from './contracts/compute.ts';

computeContract('sim', async () => {
  const driver = simCompute(virtualClock());
  return {
    driver,
    makeNamespace: async (id) => id,
    end: async (id, how) => driver.end(id, how),
    hang: async (id, hung) => driver.hang(id, hung),
    dispose: async () => undefined,
  };
});
