/**
 * What a load balancer node finds around it, made by hand for the driver's own tests: a network namespace with loopback
 * only, in which the node, its backends and its clients stand. The test's main thread enters it for good, so that all
 * sockets of the test are inside.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostLayout, hostLayout } from '@holdfast/linux/layout.ts';
import { missingForLoadBalancer } from '@holdfast/linux/loadbalancer/doctor.ts';
import { removeAllLoadBalancers } from '@holdfast/linux/loadbalancer/index.ts';
import type {
  HealthCheckSpec,
  LoadBalancerNodeSpec,
  TargetGroupSpec,
  TargetSpec,
} from '@holdfast/region/drivers/loadbalancer.ts';

/** Why these tests cannot run here; undefined when they can. */
export function whyNot(tools: readonly string[] = []): string | undefined {
  const missing = missingForLoadBalancer().map(({ what }) => what);
  for (const tool of ['ip', ...tools]) if (spawnSync(tool, ['-V']).error) missing.push(tool);
  return missing.length > 0 ? `missing: ${missing.join(', ')}` : undefined;
}

export function command(name: string, ...words: string[]): string {
  const done = spawnSync(name, words, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${name} ${words.join(' ')}: ${done.stderr || done.error?.message}`);
  return done.stdout;
}

export interface Host {
  readonly layout: HostLayout;
  readonly namespace: string;
  remove(): Promise<void>;
}

/** Makes the namespace and enters it; clears away first what a killed earlier run has left. */
export async function makeHost(prefix: string): Promise<Host> {
  const namespace = `${prefix}-lb`;
  const folders = join(tmpdir(), `${prefix}-lb-`);
  for (const left of readdirSync(tmpdir()).filter((name) => name.startsWith(`${prefix}-lb-`))) {
    await removeAllLoadBalancers(hostLayout({ prefix, runDirectory: join(tmpdir(), left) }));
    rmSync(join(tmpdir(), left), { recursive: true });
  }
  spawnSync('ip', ['netns', 'del', namespace]);
  command('ip', 'netns', 'add', namespace);
  command('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
  const runDirectory = mkdtempSync(folders);
  const layout = hostLayout({ prefix, runDirectory });
  const own = openSync('/proc/self/ns/net', 'r');
  enter(openSync(`/run/netns/${namespace}`, 'r'));
  return {
    layout,
    namespace,
    async remove() {
      enter(own);
      await removeAllLoadBalancers(layout);
      rmSync(runDirectory, { recursive: true, force: true });
      command('ip', 'netns', 'del', namespace);
    },
  };
}

function enter(file: number): void {
  const koffi = createRequire(import.meta.resolve('@holdfast/linux/layout.ts'))(
    'koffi',
  ) as typeof import('koffi');
  const setns = koffi.load(null).func('int setns(int fd, int kind)') as (
    file: number,
    kind: number,
  ) => number;
  if (setns(file, 0x40000000) !== 0) throw new Error('cannot enter the network namespace');
  closeSync(file);
}

/** `down`: nothing listens; `silent`: accepts and never answers; `reset`, `close`, `garbage`: breaks off instead of answering. */
export type Behaviour =
  /** `held`: answers when this is resolved. */
  | { readonly status: number; readonly held?: Promise<void> }
  | 'down'
  | 'silent'
  | 'reset'
  | 'close'
  | 'garbage';

/** A target that does as it is told, on an address of its own. */
export class Backend {
  readonly address: string;
  readonly port = 8080;
  readonly id: string;
  /** Requests as they came, health checks among them. */
  readonly seen: { path: string; headers: IncomingMessage['headers']; rawHeaders: string[]; atMs: number }[] =
    [];
  readonly #behaviours = new Map<string, Behaviour>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(number: number) {
    this.address = `127.0.1.${number}`;
    this.id = `i-${String(number).padStart(17, '0')}:${this.port}`;
  }

  async behave(behaviour: Behaviour, path = ''): Promise<void> {
    this.#behaviours.set(path, behaviour);
    if (path !== '') return;
    if (behaviour === 'down') await this.stop();
    else await this.start();
  }

  async start(): Promise<void> {
    if (this.#server) return;
    this.#server = createServer((incoming, response) => this.#answer(incoming, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => this.#server?.listen(this.port, this.address, resolve));
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  target(draining = false): TargetSpec {
    return { id: this.id, address: this.address, port: this.port, draining };
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): void {
    const path = incoming.url ?? '';
    this.seen.push({
      path,
      headers: incoming.headers,
      rawHeaders: incoming.rawHeaders,
      atMs: performance.now(),
    });
    const behaviour = this.#behaviours.get(path.split('?')[0] ?? '') ??
      this.#behaviours.get('') ?? { status: 200 };
    if (behaviour === 'reset') incoming.socket.resetAndDestroy();
    else if (behaviour === 'close' || behaviour === 'down') incoming.socket.destroy();
    else if (behaviour === 'garbage') incoming.socket.end('this is not HTTP\r\n\r\n');
    else if (behaviour !== 'silent') {
      const finish = (): void =>
        void response.writeHead(behaviour.status, { 'x-target': this.id }).end(this.id);
      incoming.resume();
      if (behaviour.held) void behaviour.held.then(finish);
      else finish();
    }
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Undefined when the balancer itself answered. */
  readonly target?: string;
}

/** One request; `agent` keeps connections when given, else the connection is closed afterwards. */
export function ask(
  address: string,
  port: number,
  path = '/',
  options: { agent?: Agent; headers?: Record<string, string>; method?: string; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { agent = new Agent(), body: sent, ...rest } = options;
    const outgoing = request({ host: address, port, path, agent, ...rest }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('error', reject);
      response.on('end', () => {
        const target = response.headers['x-target'];
        const status = response.statusCode ?? 0;
        resolve({
          status,
          headers: response.headers,
          body,
          ...(typeof target === 'string' ? { target } : {}),
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(sent);
  });
}

export const quickCheck: HealthCheckSpec = {
  protocol: 'HTTP',
  path: '/health',
  intervalMs: 100,
  // Who answers is this process, which a busy machine may keep waiting.
  timeoutMs: 5_000,
  healthyThreshold: 3,
  unhealthyThreshold: 2,
  matcher: '200',
  enabled: true,
};

export function group(
  targets: readonly TargetSpec[],
  settings: Partial<TargetGroupSpec> = {},
): TargetGroupSpec {
  return {
    id: 'arn:aws:elasticloadbalancing:us-west-2:000000000000:targetgroup/web/0123456789abcdef',
    protocol: 'HTTP',
    algorithm: 'round_robin',
    healthCheck: quickCheck,
    targets,
    ...settings,
  };
}

export function balancer(
  host: Host,
  groups: readonly TargetGroupSpec[],
  settings: Partial<LoadBalancerNodeSpec> = {},
): LoadBalancerNodeSpec {
  return {
    id: 'web-a',
    namespace: host.namespace,
    address: '127.0.0.1',
    zone: 'us-west-2a',
    idleTimeoutMs: 60_000,
    listeners: [
      {
        id: 'listener/web',
        port: 80,
        protocol: 'HTTP',
        defaultAction: { kind: 'forward', targetGroups: groups.map(({ id }) => ({ id, weight: 1 })) },
      },
    ],
    targetGroups: groups,
    ...settings,
  };
}

/** Waits for something that others bring about; fails with `what` when it does not come. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 30_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen as T;
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
