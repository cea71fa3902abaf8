/** What a load balancer node goes through while it serves: other targets, other settings, another control process. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { linuxLoadBalancer, removeAllLoadBalancers } from '@holdfast/linux/loadbalancer/index.ts';
import { processesBelow } from '@holdfast/linux/loadbalancer/process.ts';
import {
  ask,
  Backend,
  balancer,
  group,
  type Host,
  makeHost,
  quickCheck,
  until,
  whyNot,
} from './loadbalancer-host.ts';

const address = '127.0.0.1';

describe('load balancer: changes', { skip: whyNot() ?? false }, () => {
  let host: Host;
  let driver: ReturnType<typeof linuxLoadBalancer>;
  const backends = [1, 2, 3, 4].map((number) => new Backend(number));
  const [one, two] = backends as [Backend, Backend];

  before(async () => {
    host = await makeHost('hlb3');
    driver = linuxLoadBalancer(host.layout);
    for (const backend of backends) await backend.start();
  });
  afterEach(async () => {
    for (const { id } of await driver.list()) await driver.remove(id);
    for (const path of ['', '/slow', '/health'])
      for (const backend of backends) await backend.behave({ status: 200 }, path);
  });
  after(async () => {
    await driver?.close();
    for (const backend of backends) await backend.stop();
    await host?.remove();
  });

  const allHealthy = (by = driver): Promise<unknown> =>
    until('all targets are healthy', async () =>
      (await by.observe('web-a')).every(({ state }) => state === 'healthy'),
    );
  const processes = (): Promise<number[]> => processesBelow(host.layout.runDirectory);
  const pid = (): number =>
    Number(readFileSync(join(host.layout.runDirectory, 'loadbalancer/web-a/haproxy.pid'), 'utf8'));

  /** Clients that keep their connections and clients that do not; what was not 200, when stopped. */
  function load(): { stop(): Promise<{ sent: number; wrong: string[] }> } {
    let stopped = false;
    let sent = 0;
    const wrong: string[] = [];
    const client = async (keepAlive: boolean): Promise<void> => {
      const agent = new Agent({ keepAlive, maxSockets: 1 });
      while (!stopped) {
        sent++;
        const { status } = await ask(address, 80, '/', { agent }).catch((error: Error) => ({
          status: error.message,
        }));
        if (status !== 200) wrong.push(String(status));
      }
      agent.destroy();
    };
    const clients = [true, true, true, false, false].map(client);
    return {
      async stop() {
        stopped = true;
        await Promise.all(clients);
        return { sent, wrong };
      },
    };
  }

  it('takes 20 changes of targets and 20 of settings under load without a failed request', async () => {
    const targets = backends.map((backend) => backend.target());
    await driver.ensure(balancer(host, [group(targets)]));
    await allHealthy();
    const running = load();
    for (let n = 0; n < 20; n++) {
      // Targets leave as a region lets them leave, and come back as new ones.
      const leaving = targets.map((target, index) => ({ ...target, draining: index === n % 4 }));
      await driver.ensure(balancer(host, [group(leaving)]));
      const id = leaving[n % 4]!.id;
      await until('the draining target has nothing to do', async () =>
        (await driver.observe('web-a')).some((seen) => seen.targetId === id && seen.activeRequests === 0),
      );
      await driver.ensure(balancer(host, [group(leaving.filter(({ draining }) => !draining))]));
      await driver.ensure(balancer(host, [group(targets)]));
      const unhealthyThreshold = 2 + (n % 2);
      await driver.ensure(
        balancer(host, [
          group(targets, { healthCheck: { ...quickCheck, unhealthyThreshold, path: `/health?${n}` } }),
        ]),
      );
      assert.ok((await driver.observe('web-a')).filter(({ state }) => state === 'healthy').length >= 3);
      await allHealthy();
    }
    const { sent, wrong } = await running.stop();
    assert.deepEqual(wrong, [], `of ${sent}`);
    assert.ok(sent > 200, `${sent} sent`);
    await until('old processes are gone', async () => (await processes()).length === 1);
  });

  it('adds and removes 50 targets one after another in one process, and forgets none of their servers', async () => {
    await driver.ensure(balancer(host, [group([one.target()])]));
    const first = pid();
    const many = Array.from({ length: 50 }, (_, n) => ({
      id: `i-${n}:8080`,
      address: `127.0.1.${1 + (n % 4)}`,
      port: 8080,
      draining: false,
    }));
    for (let n = 1; n <= many.length; n++) await driver.ensure(balancer(host, [group(many.slice(0, n))]));
    await allHealthy();
    const served = new Set<string | undefined>();
    for (let n = 0; n < 50; n++) served.add((await ask(address, 80)).target);
    assert.equal(served.size, 4);
    await driver.ensure(balancer(host, [group([])]));
    assert.equal((await ask(address, 80)).status, 503);
    assert.deepEqual(await processes(), [first]);
  });

  it('lets a draining target finish, and cuts what is still open when the target is removed', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    await one.behave({ status: 200, held }, '/slow');
    await driver.ensure(balancer(host, [group([one.target()])]));
    await allHealthy();
    const active = async (count: number): Promise<unknown> =>
      until(`${count} under way`, async () => (await driver.observe('web-a'))[0]?.activeRequests === count);
    const finishes = ask(address, 80, '/slow');
    await active(1);
    await driver.ensure(balancer(host, [group([one.target(true), two.target()])]));
    release();
    assert.equal((await finishes).target, one.id);

    await driver.ensure(balancer(host, [group([one.target()])]));
    await until('the target serves again', async () => (await ask(address, 80)).target === one.id);
    await allHealthy();
    await one.behave({ status: 200, held: new Promise(() => {}) }, '/slow');
    const isCut = ask(address, 80, '/slow');
    await active(1);
    await driver.ensure(balancer(host, [group([two.target()])]));
    assert.match(String((await isCut).status), /^5/);
  });

  it('keeps what it knows of targets over a change of listeners', async () => {
    await two.behave({ status: 500 }, '/health');
    const slow = { ...quickCheck, intervalMs: 300, healthyThreshold: 5 };
    const node = balancer(host, [group([one.target(), two.target()], { healthCheck: slow })]);
    await driver.ensure(node);
    const states = async (): Promise<string> =>
      (await driver.observe('web-a')).map(({ state }) => state).join();
    await until('one healthy, one not', async () => (await states()) === 'healthy,unhealthy');
    await ask(address, 80);
    const before = await until('one request is counted', async () => {
      const counters = await driver.counters('web-a');
      return counters.requests === 1 && counters.responses.target2xx === 1 && counters;
    });
    const second = { ...node.listeners[0]!, id: 'listener/second', port: 8081 };
    await driver.ensure({ ...node, listeners: [...node.listeners, second] });
    assert.equal(await states(), 'healthy,unhealthy');
    for (const port of [80, 8081, 80, 8081]) assert.equal((await ask(address, port)).target, one.id);
    // An answer is counted a moment after its client has it; what the old process counted is in the sum.
    await until('four more are counted', async () => {
      const { requests, responses } = await driver.counters('web-a');
      return (
        requests === before.requests + 4 && responses.target2xx === (before.responses.target2xx ?? 0) + 4
      );
    });
    await driver.ensure(node);
    await assert.rejects(ask(address, 8081));
  });

  it('keeps the running node when new settings cannot be had', async () => {
    const node = balancer(host, [group([one.target()])]);
    await driver.ensure(node);
    await allHealthy();
    const elsewhere = { ...node.listeners[0]!, id: 'listener/second', port: 8080 };
    await assert.rejects(
      driver.ensure({ ...node, address: '192.0.2.1', listeners: [elsewhere] }),
      /192\.0\.2\.1/,
    );
    assert.equal((await ask(address, 80)).target, one.id);
    await driver.ensure(node);
    assert.equal((await ask(address, 80)).target, one.id);
    await assert.rejects(driver.ensure({ ...node, namespace: 'hlb3-none' }), /hlb3-none does not exist/);
  });

  it('goes on without a control process: serves, checks, fails over; the next one takes it over', async () => {
    const script = `
      const { linuxLoadBalancer } = await import(${JSON.stringify(import.meta.resolve('@holdfast/linux/loadbalancer/index.ts'))});
      const driver = linuxLoadBalancer(${JSON.stringify(host.layout)});
      await driver.ensure(${JSON.stringify(balancer(host, [group([one.target(), two.target()])]))});
      process.stdout.write('ready');
      setInterval(() => {}, 1000);`;
    const control = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => control.stdout.once('data', resolve));
    control.kill('SIGKILL');
    await new Promise((resolve) => control.once('close', resolve));
    const serving = pid();
    await until('both serve', async () => {
      const answers = [await ask(address, 80), await ask(address, 80)];
      return new Set(answers.map(({ target }) => target)).size === 2;
    });
    await one.behave({ status: 500 }, '/health');
    await until('the sick one is left out', async () => {
      const answers = [await ask(address, 80), await ask(address, 80), await ask(address, 80)];
      return answers.every(({ target }) => target === two.id);
    });
    const next = linuxLoadBalancer(host.layout);
    try {
      assert.deepEqual(await next.list(), [{ id: 'web-a', running: true }]);
      await until('the next one sees it', async () =>
        (await next.observe('web-a')).some(({ state }) => state === 'unhealthy'),
      );
      await next.ensure(balancer(host, [group([one.target(), two.target()])]));
      assert.deepEqual(await processes(), [serving]);
    } finally {
      await next.close();
    }
  });

  it('is healthy soon after its application answers, whatever the interval', async () => {
    await one.behave({ status: 503 }, '/health');
    // Longer than anything here is waited for.
    const patient = { ...quickCheck, intervalMs: 120_000 };
    await driver.ensure(balancer(host, [group([two.target()], { healthCheck: patient })]));
    await allHealthy();
    const earlier = one.seen.length;
    await driver.ensure(balancer(host, [group([one.target(), two.target()], { healthCheck: patient })]));
    await until('it was asked in vain', () => one.seen.length > earlier + 1);
    await one.behave({ status: 200 }, '/health');
    await until('the new target serves', async () => (await ask(address, 80)).target === one.id);
  });

  it('finds and removes nodes that nobody knows of', async () => {
    await driver.ensure(balancer(host, [group([one.target()])]));
    assert.equal((await processes()).length, 1);
    await removeAllLoadBalancers(host.layout);
    assert.deepEqual(await processes(), []);
    await removeAllLoadBalancers(host.layout);
  });
});
