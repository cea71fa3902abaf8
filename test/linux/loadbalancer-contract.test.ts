/** The load balancer contract, with real HAProxy, real targets and real requests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { linuxLoadBalancer } from '@holdfast/linux/loadbalancer/index.ts';
import { loadBalancerContract } from '../../packages/region/test/contracts/loadbalancer.ts';
import { ask, Backend, makeHost, whyNot } from './loadbalancer-host.ts';

const reason = whyNot();
if (reason) it('load balancer: linux', { skip: reason }, () => {});
else {
  loadBalancerContract('linux', async () => {
    const host = await makeHost('hlb1');
    const driver = linuxLoadBalancer(host.layout);
    const backends = new Map(Array.from({ length: 9 }, (_, index) => [index + 1, new Backend(index + 1)]));
    const backendOf = (id: string): Backend => {
      const found = [...backends.values()].find((backend) => backend.id === id);
      if (!found) throw new Error(`no backend ${id}`);
      return found;
    };
    const address = '127.0.0.1';
    return {
      driver,
      namespace: host.namespace,
      address,
      target: (number) => backends.get(number)!.target(),
      behave: (target, behaviour, path) => backendOf(target.id).behave(behaviour, path),
      async request(_node, path) {
        const { status, target } = await ask(address, 80, path);
        return { status, ...(target === undefined ? {} : { target }) };
      },
      now: () => performance.now(),
      advance: (durationMs) => new Promise((resolve) => setTimeout(resolve, durationMs)),
      async kill(id) {
        const pid = Number(
          readFileSync(join(host.layout.runDirectory, 'loadbalancer', id, 'haproxy.pid'), 'utf8'),
        );
        process.kill(pid, 'SIGKILL');
      },
      async close() {
        await driver.close();
        for (const backend of backends.values()) await backend.stop();
        await host.remove();
      },
    };
  });
}
