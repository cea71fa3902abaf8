/** The load balancer's pure parts: configuration text, server names, and the plan that brings servers to their targets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LoadBalancerNodeSpec, TargetSpec } from '@holdfast/region/drivers/loadbalancer.ts';
import { quote, renderConfig } from '../src/loadbalancer/config.ts';
import { backendName, formatServerName, parseServerName } from '../src/loadbalancer/names.ts';
import { observeTargets } from '../src/loadbalancer/observation.ts';
import { parseServers, parseStatistics } from '../src/loadbalancer/runtime.ts';
import { checkNode } from '../src/loadbalancer/spec.ts';
import { planTargets } from '../src/loadbalancer/targets.ts';

const target: TargetSpec = { id: 'i-1:80', address: '10.0.0.9', port: 80, draining: false };

function node(
  targets: readonly TargetSpec[] = [target],
  changes: Partial<LoadBalancerNodeSpec> = {},
): LoadBalancerNodeSpec {
  return {
    id: 'web-a',
    namespace: 'hf-web-a',
    address: '10.0.0.5',
    zone: 'us-west-2a',
    idleTimeoutMs: 60_000,
    listeners: [
      {
        id: 'l',
        port: 80,
        protocol: 'HTTP',
        defaultAction: { kind: 'forward', targetGroups: [{ id: 'tg/web', weight: 1 }] },
      },
    ],
    targetGroups: [
      {
        id: 'tg/web',
        protocol: 'HTTP',
        algorithm: 'round_robin',
        targets,
        healthCheck: {
          protocol: 'HTTP',
          path: '/',
          intervalMs: 5_000,
          timeoutMs: 2_000,
          healthyThreshold: 5,
          unhealthyThreshold: 2,
          matcher: '200',
          enabled: true,
        },
      },
    ],
    ...changes,
  };
}

const options = { directory: '/run/x/web-a', threads: 2 };

/** A line of `show servers state`. */
const row = (name: string, settings: { up?: boolean; admin?: number; address?: string } = {}): string =>
  `3 tg.web 1 ${name} ${settings.address ?? '10.0.0.9'} ${settings.up ? 2 : 0} ${settings.admin ?? 0} 1 1 0 15 3 4 6 0 0 0 - 80 - 0 0 - - 0`;

const plan = (
  wanted: LoadBalancerNodeSpec,
  lines: readonly string[],
  ageMs = 0,
): { commands: string[]; deletions: string[] } =>
  planTargets(wanted, parseServers(['1', '# be_id …', ...lines].join('\n')), () => ageMs);

/** Which servers a plan adds, and how they start. */
const added = (commands: readonly string[]): string[] =>
  commands.flatMap((command) => /^add server tg\.web\/(\S+)/.exec(command)?.[1] ?? []);

describe('load balancer configuration', () => {
  it('says the same for the same node, and nothing of its targets', () => {
    assert.equal(renderConfig(node(), options).text, renderConfig(node([]), options).text);
  });

  it('changes with every setting of a check', () => {
    const texts = new Set([renderConfig(node(), options).text]);
    const [group] = node().targetGroups;
    const settings = [
      { path: '/a' },
      { matcher: '201' },
      { intervalMs: 6_000 },
      { timeoutMs: 1_000 },
      { healthyThreshold: 2 },
    ];
    const more = [
      { unhealthyThreshold: 3 },
      { port: 81 },
      { enabled: false },
      { protocol: 'HTTPS' as const },
    ];
    for (const changed of [...settings, ...more]) {
      const healthCheck = { ...group!.healthCheck, ...changed };
      texts.add(renderConfig(node([], { targetGroups: [{ ...group!, healthCheck }] }), options).text);
    }
    assert.equal(texts.size, 1 + settings.length + more.length);
  });

  it('keeps what others wrote in one word', () => {
    assert.equal(quote('a "b" $HOME \\'), '"a \\"b\\" \\$HOME \\\\"');
    for (const path of ['/a b', '/a\nb', 'a', '/\0']) {
      const [group] = node().targetGroups;
      const spec = node([], { targetGroups: [{ ...group!, healthCheck: { ...group!.healthCheck, path } }] });
      assert.throws(() => checkNode(spec), /check path/);
    }
  });

  it('refuses by name what it cannot do', () => {
    checkNode(node());
    const [listener] = node().listeners;
    const forward = { kind: 'forward', targetGroups: [{ id: 'tg/none', weight: 1 }] } as const;
    assert.throws(
      () => checkNode(node([], { listeners: [{ ...listener!, defaultAction: forward }] })),
      /tg\/none/,
    );
    assert.throws(() => checkNode(node([target, target])), /i-1:80 twice/);
    assert.throws(() => checkNode(node([{ ...target, id: 'i-1;quit' }])), /target id/);
    assert.throws(() => checkNode(node([], { listeners: [listener!, listener!] })), /port 80/);
    const tls = { ...listener!, protocol: 'TLS' as 'HTTP' };
    assert.throws(() => checkNode(node([], { listeners: [tls] })), /TLS is not supported/);
  });

  it('finds role, serial and target in a server name', () => {
    const name = { role: 'steady', serial: 12, targetId: 'i-0a.b:80' } as const;
    assert.deepEqual(parseServerName(formatServerName(name)), name);
    assert.equal(parseServerName('other'), undefined);
    assert.equal(backendName('arn:aws:x:targetgroup/web/1'), 'arn:aws:x:targetgroup.web.1');
  });
});

describe('load balancer targets', () => {
  it('starts a new target down, as initial, with a backup for when nobody is healthy', () => {
    const { commands } = plan(node(), []);
    assert.deepEqual(added(commands), ['i1.i-1:80', 'o2.i-1:80']);
    const states = commands.filter((command) => command.includes('i1.') && command.startsWith('set'));
    assert.deepEqual(
      states.map((command) => command.split(' ').slice(3).join(' ')),
      ['state drain', 'health down', 'state ready'],
    );
  });

  it('does nothing when all is as it should be', () => {
    assert.deepEqual(plan(node(), [row('s3.i-1:80', { up: true }), row('o2.i-1:80', { up: true })]), {
      commands: [],
      deletions: [],
    });
    assert.deepEqual(plan(node(), [row('i3.i-1:80'), row('o2.i-1:80', { up: true })], 4_999).commands, []);
  });

  it('exchanges an initial target that passed for a steady one that is up', () => {
    const { commands, deletions } = plan(node(), [
      row('i1.i-1:80', { up: true }),
      row('o2.i-1:80', { up: true }),
    ]);
    assert.deepEqual(added(commands), ['s3.i-1:80']);
    assert.ok(commands.includes('set server tg.web/s3.i-1:80 health up'));
    assert.deepEqual(deletions, ['tg.web/i1.i-1:80']);
  });

  it('takes an initial target for unhealthy when it could have failed often enough', () => {
    const { commands } = plan(node(), [row('i1.i-1:80'), row('o2.i-1:80', { up: true })], 5_000);
    assert.deepEqual(added(commands), ['s3.i-1:80']);
    assert.ok(commands.includes('set server tg.web/s3.i-1:80 health down'));
  });

  it('drains, cuts, and starts anew what comes back or moves', () => {
    const rows = [row('s1.i-1:80', { up: true }), row('o2.i-1:80', { up: true })];
    const draining = plan(node([{ ...target, draining: true }]), rows);
    assert.deepEqual(draining.commands, [
      'set server tg.web/s1.i-1:80 state drain',
      'set server tg.web/o2.i-1:80 state maint',
    ]);
    const gone = plan(node([]), rows);
    assert.ok(gone.commands.includes('shutdown sessions server tg.web/s1.i-1:80'));
    assert.equal(gone.deletions.length, 2);
    const back = plan(node(), [row('s1.i-1:80', { up: true, admin: 8 })]);
    assert.deepEqual(added(back.commands), ['i2.i-1:80', 'o3.i-1:80']);
    assert.deepEqual(back.deletions, ['tg.web/s1.i-1:80']);
    const moved = plan(node([{ ...target, address: '10.0.0.10' }]), rows);
    assert.deepEqual(added(moved.commands), ['i3.i-1:80', 'o4.i-1:80']);
    assert.equal(moved.deletions.length, 2);
  });

  it("says HAProxy's outcomes in AWS's words", () => {
    const seen = (server: string): unknown => {
      const [first] = observeTargets(
        node(),
        parseStatistics(`# pxname,svname,scur,status,check_status,check_code\n${server}\n`),
      );
      return first && [first.state, first.reason, first.code, first.activeRequests];
    };
    assert.deepEqual(seen('tg.web,s1.i-1:80,2,UP,L7OK,200'), ['healthy', undefined, undefined, 2]);
    assert.deepEqual(seen('tg.web,s1.i-1:80,0,UP 2/3,L7STS,500'), ['healthy', undefined, undefined, 0]);
    assert.deepEqual(seen('tg.web,s1.i-1:80,0,DOWN,* L7STS,503'), [
      'unhealthy',
      'response-code-mismatch',
      503,
      0,
    ]);
    for (const status of ['L4TOUT', 'L6TOUT', 'L7TOUT'])
      assert.deepEqual(seen(`tg.web,s1.i-1:80,0,DOWN,${status},`), ['unhealthy', 'timeout', undefined, 0]);
    for (const status of ['L4CON', 'L7RSP', 'SOCKERR'])
      assert.deepEqual(seen(`tg.web,s1.i-1:80,0,DOWN,${status},`), ['unhealthy', 'failed', undefined, 0]);
    assert.deepEqual(seen('tg.web,i1.i-1:80,0,DOWN,L4CON,'), ['initial', undefined, undefined, 0]);
    assert.deepEqual(seen('tg.web,o1.i-1:80,0,no check,,'), ['initial', undefined, undefined, 0]);
  });
});
