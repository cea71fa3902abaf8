/** What a client and a target see of a load balancer node: answers, errors, headers, connections. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { linuxLoadBalancer } from '@holdfast/linux/loadbalancer/index.ts';
import type { ListenerAction, NodeCounters, TargetGroupSpec } from '@holdfast/region/drivers/loadbalancer.ts';
import {
  ask,
  Backend,
  type Behaviour,
  balancer,
  command,
  group,
  type Host,
  makeHost,
  quickCheck,
  until,
  whyNot,
} from './loadbalancer-host.ts';

const address = '127.0.0.1';
/** The next check after the first comes later than anything here is waited for. */
const slowCheck = { ...quickCheck, intervalMs: 120_000 };

describe('load balancer: requests', { skip: whyNot(['nft']) ?? false }, () => {
  let host: Host;
  let driver: ReturnType<typeof linuxLoadBalancer>;
  const [one, two] = [new Backend(1), new Backend(2)] as const;

  before(async () => {
    host = await makeHost('hlb2');
    driver = linuxLoadBalancer(host.layout, { connectTimeoutMs: 300 });
    for (const backend of [one, two]) await backend.start();
  });
  after(async () => {
    await driver?.close();
    for (const backend of [one, two]) await backend.stop();
    await host?.remove();
  });

  async function ensure(
    groups: readonly TargetGroupSpec[],
    action?: ListenerAction,
    idleTimeoutMs = 60_000,
  ): Promise<void> {
    const node = balancer(host, groups, { idleTimeoutMs });
    const listeners = action ? [{ ...node.listeners[0]!, defaultAction: action }] : node.listeners;
    await driver.ensure({ ...node, listeners });
    await until('all targets are healthy', async () =>
      (await driver.observe(node.id)).every(({ state }) => state === 'healthy'),
    );
  }

  async function withBehaviour(behaviour: Behaviour, path: string, tell: () => Promise<void>): Promise<void> {
    await one.behave(behaviour, path);
    try {
      await tell();
    } finally {
      await one.behave({ status: 200 }, path);
    }
  }

  const answered = ({ responses }: NodeCounters): number =>
    Object.values(responses).reduce((sum, count) => sum + count, 0);

  const page = (line: string): string =>
    `<html>\r\n<head><title>${line}</title></head>\r\n<body>\r\n<center><h1>${line}</h1></center>\r\n</body>\r\n</html>\r\n`;

  async function assertOwn(path: string, line: string): Promise<void> {
    const answer = await ask(address, 80, path);
    assert.equal(answer.status, Number(line.slice(0, 3)), path);
    assert.equal(answer.body, page(line));
    assert.equal(answer.headers.server, 'awselb/2.0');
    assert.equal(answer.headers['content-type'], 'text/html');
    assert.deepEqual(
      Object.keys(answer.headers).filter((name) => name.startsWith('x-')),
      [],
    );
  }

  it('answers 502, 503 and 504 with the page and the server name that AWS has', async () => {
    await ensure([group([])]);
    await assertOwn('/', '503 Service Temporarily Unavailable');
    const groups = [group([one.target()], { healthCheck: slowCheck })];
    await ensure(groups);
    for (const broken of ['reset', 'close', 'garbage'] as const) {
      await withBehaviour(broken, '/broken', () => assertOwn('/broken', '502 Bad Gateway'));
    }
    await ensure(groups, undefined, 250);
    await withBehaviour('silent', '/silent', () => assertOwn('/silent', '504 Gateway Time-out'));
    await ensure(groups);
    await one.stop();
    await assertOwn('/', '502 Bad Gateway');
    await one.start();
  });

  it('tells a target to which no way leads (502) from one that does not answer the call (504)', async () => {
    const unchecked = { healthCheck: { ...slowCheck, enabled: false } };
    await ensure([group([{ ...one.target(), address: '203.0.113.9' }], unchecked)]);
    await assertOwn('/', '502 Bad Gateway');
    await ensure([group([one.target()], unchecked)]);
    command('nft', 'add table ip broken; add chain ip broken out { type filter hook output priority 0; }');
    try {
      command('nft', `add rule ip broken out ip daddr ${one.address} tcp flags & (syn|ack) == syn drop`);
      const fromMs = performance.now();
      await assertOwn('/', '504 Gateway Time-out');
      assert.ok(performance.now() - fromMs >= 250);
    } finally {
      command('nft', 'delete table ip broken');
    }
  });

  it("leaves a target's own answers alone, errors too", async () => {
    await ensure([group([one.target()], { healthCheck: slowCheck })]);
    const before = await driver.counters('web-a');
    for (const status of [204, 304, 404, 502, 503, 504]) {
      await withBehaviour({ status }, '/own', async () => {
        const answer = await ask(address, 80, '/own');
        assert.equal(answer.status, status);
        assert.equal(answer.target, one.id);
        assert.equal(answer.headers.server, undefined);
      });
    }
    // An answer is counted a moment after its client has it.
    const { responses } = await until('six answers are counted', async () => {
      const counters = await driver.counters('web-a');
      return (
        counters.requests >= before.requests + 6 && answered(counters) >= answered(before) + 6 && counters
      );
    });
    assert.equal(responses.target5xx! - (before.responses.target5xx ?? 0), 3);
    assert.equal(responses.elb5xx, before.responses.elb5xx);
  });

  it('tells the target who asked, how, and under which trace', async () => {
    await ensure([group([one.target()], { healthCheck: slowCheck })]);
    const seen = async (headers: Record<string, string>): Promise<Record<string, unknown>> => {
      await ask(address, 80, '/seen', { headers });
      return one.seen.at(-1)!.headers;
    };
    const id = '1-[0-9a-f]{8}-[0-9a-f]{24}';
    const plain = await seen({});
    assert.equal(plain['x-forwarded-for'], address);
    assert.equal(plain['x-forwarded-proto'], 'http');
    assert.equal(plain['x-forwarded-port'], '80');
    assert.match(String(plain['x-amzn-trace-id']), new RegExp(`^Root=${id}$`));
    const epoch = Number.parseInt(String(plain['x-amzn-trace-id']).slice(7, 15), 16);
    assert.ok(Math.abs(epoch - Date.now() / 1000) < 10);
    assert.notEqual((await seen({}))['x-amzn-trace-id'], plain['x-amzn-trace-id']);

    const before = {
      'x-forwarded-for': '203.0.113.7',
      'x-forwarded-proto': 'https',
      'x-forwarded-port': '443',
    };
    const forwarded = await seen(before);
    assert.equal(forwarded['x-forwarded-for'], `203.0.113.7, ${address}`);
    assert.equal(forwarded['x-forwarded-proto'], 'http');
    assert.equal(forwarded['x-forwarded-port'], '80');

    const trace = async (text: string): Promise<string> =>
      String((await seen({ 'x-amzn-trace-id': text }))['x-amzn-trace-id']);
    assert.match(await trace('Root=1-2-3;Field=x'), new RegExp(`^Self=${id};Root=1-2-3;Field=x$`));
    assert.match(await trace('Self=1-9-9;Root=1-2-3'), new RegExp(`^Self=${id};Root=1-2-3$`));
    assert.match(await trace('Field=x'), new RegExp(`^Root=${id};Field=x$`));
  });

  it('gives the request with the fewest open ones to a target, when told so', async () => {
    const targets = [one.target(), two.target()];
    await ensure([group(targets, { algorithm: 'least_outstanding_requests', healthCheck: slowCheck })]);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    await withBehaviour({ status: 200, held }, '/slow', async () => {
      await two.behave({ status: 200, held }, '/slow');
      const slow = ask(address, 80, '/slow');
      const busy = await until('a request is under way', async () =>
        (await driver.observe('web-a')).find(({ activeRequests }) => activeRequests === 1),
      );
      for (let n = 0; n < 4; n++) {
        assert.notEqual((await ask(address, 80)).target, busy.targetId);
        // The client has its answer a moment before the request is over for the balancer.
        await until('only the slow request is under way', async () =>
          (await driver.observe('web-a')).every(
            ({ targetId, activeRequests }) => activeRequests === (targetId === busy.targetId ? 1 : 0),
          ),
        );
      }
      release();
      assert.equal((await slow).target, busy.targetId);
    });
  });

  it('divides requests over target groups by weight', async () => {
    const other = group([two.target()], {
      id: 'arn:aws:elasticloadbalancing:::targetgroup/other/1',
      healthCheck: slowCheck,
    });
    const first = group([one.target()], { healthCheck: slowCheck });
    const targetGroups = [
      { id: first.id, weight: 3 },
      { id: other.id, weight: 1 },
    ];
    await ensure([first, other], { kind: 'forward', targetGroups });
    const agent = new Agent({ keepAlive: true });
    let ofFirst = 0;
    for (let n = 0; n < 400; n++) if ((await ask(address, 80, '/', { agent })).target === one.id) ofFirst++;
    agent.destroy();
    // Binomial with mean 300 and deviation 8.7: six deviations.
    assert.ok(ofFirst > 248 && ofFirst < 352, `${ofFirst} of 400`);
  });

  it("keeps a client's connection over requests, targets and errors", async () => {
    await ensure([group([one.target(), two.target()], { healthCheck: slowCheck })]);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const targets = new Set<string | undefined>();
    for (let n = 0; n < 6; n++)
      targets.add(
        (await ask(address, 80, '/', { agent, method: 'POST', body: 'x'.repeat(n * 10_000) })).target,
      );
    assert.deepEqual(targets, new Set([one.id, two.id]));
    assert.equal(Object.values(agent.freeSockets).flat().length, 1);
    agent.destroy();
  });

  it('says fixed responses to the letter', async () => {
    const body = 'tea "pot" %[src] $HOME \\ {} #\r\n<é>';
    await ensure([], { kind: 'fixed-response', status: 418, contentType: 'text/plain; charset=utf-8', body });
    const answer = await ask(address, 80);
    assert.equal(answer.status, 418);
    assert.equal(answer.body, body);
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal(answer.headers.server, 'awselb/2.0');
    await ensure([], { kind: 'fixed-response', status: 503, contentType: 'text/plain', body: '' });
    assert.equal((await ask(address, 80)).body, '');
    await ensure([], { kind: 'fixed-response', status: 200, contentType: 'text/plain', body: 'other' });
    assert.equal((await ask(address, 80)).body, 'other');
  });

  it('redirects with what the request had', async () => {
    const redirect = {
      kind: 'redirect',
      status: 301,
      protocol: 'HTTPS',
      host: '#{host}',
      port: '443',
      path: '/#{path}',
      query: '#{query}',
    } as const;
    const location = async (path: string): Promise<unknown> => {
      const answer = await ask(address, 80, path, { headers: { host: 'shop.example:80' } });
      assert.equal(answer.body, page(answer.status === 301 ? '301 Moved Permanently' : '302 Found'));
      return answer.headers.location;
    };
    await ensure([], redirect);
    assert.equal(await location('/a/b?c=d&e'), 'https://shop.example:443/a/b?c=d&e');
    assert.equal(await location('/a'), 'https://shop.example:443/a');
    await ensure([], {
      ...redirect,
      status: 302,
      protocol: '#{protocol}',
      host: 'www.#{host}',
      port: '#{port}',
      path: '/new/#{path}',
      query: 'from=100%&#{query}',
    });
    assert.equal(await location('/a?b'), 'http://www.shop.example:80/new/a?from=100%&b');
  });

  it('checks as AWS does: user agent, host, port of its own, at once', async () => {
    const checker = new Backend(3);
    await checker.start();
    try {
      const target = { ...one.target(), id: 'i-checked:8080', address: checker.address, port: 9 };
      await driver.ensure(
        balancer(host, [
          group([target], { healthCheck: { ...slowCheck, port: checker.port, path: '/alive?deep="yes"' } }),
        ]),
      );
      const first = await until('the first check, long before an interval is over', () => checker.seen[0]);
      assert.equal(first.path, '/alive?deep="yes"');
      assert.equal(first.headers['user-agent'], 'ELB-HealthChecker/2.0');
      assert.equal(first.headers.host, `${checker.address}:${checker.port}`);
      await until(
        'the target is healthy',
        async () => (await driver.observe('web-a'))[0]?.state === 'healthy',
      );
    } finally {
      await checker.stop();
    }
  });
});
