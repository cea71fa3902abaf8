/**
 * Requests a second through a load balancer node with 64 connections, beside nginx as a proxy and HAProxy with nothing
 * but a proxy's settings: same backend, same run, interleaved. Needs root, wrk and nginx.
 *
 *   node bench/loadbalancer.ts [rounds] [seconds]
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { linuxLoadBalancer } from '@holdfast/linux/loadbalancer/index.ts';
import {
  ask,
  balancer,
  group,
  makeHost,
  quickCheck,
  until,
  whyNot,
} from '../test/linux/loadbalancer-host.ts';
import { median } from './figures.ts';

const connections = 64;
const rounds = Number(process.argv[2] ?? 5);
const seconds = Number(process.argv[3] ?? 3);
const backend = { address: '127.0.1.1', port: 8080 };
const run = promisify(execFile);

const nginxHead = (folder: string, workers: string): string => `
daemon off; pid ${folder}/pid; error_log stderr crit; worker_processes ${workers}; worker_rlimit_nofile 8192;
events { worker_connections 4096; }`;

const nginxBackend = (folder: string): string => `${nginxHead(folder, '1')}
http { access_log off; keepalive_requests 1000000000;
  server { listen ${backend.address}:${backend.port}; location / { return 200 "${'x'.repeat(1024)}"; } } }`;

const nginxProxy = (folder: string): string => `${nginxHead(folder, 'auto')}
http { access_log off; keepalive_requests 1000000000;
  upstream app { server ${backend.address}:${backend.port}; keepalive 128; keepalive_requests 1000000000; }
  server { listen 127.0.0.2:80; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`;

const haproxyProxy = `
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend web
  bind 127.0.0.3:80
  default_backend app
backend app
  server one ${backend.address}:${backend.port}
`;

async function measure(address: string): Promise<{ rate: number; errors: boolean }> {
  const { stdout } = await run('wrk', [
    '-t',
    '1',
    '-c',
    String(connections),
    '-d',
    `${seconds}s`,
    `http://${address}/`,
  ]);
  return {
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    errors: /Non-2xx|Socket errors/.test(stdout),
  };
}

async function main(): Promise<void> {
  const reason = whyNot(['wrk', 'nginx']);
  if (reason) {
    console.log(`not measured: ${reason}`);
    return;
  }
  const host = await makeHost('hlb4');
  const driver = linuxLoadBalancer(host.layout);
  const children: ChildProcess[] = [];
  const start = (name: string, command: string, text: string): void => {
    const folder = join(host.layout.runDirectory, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'conf'), text);
    const words =
      command === 'nginx' ? ['-c', join(folder, 'conf'), '-p', folder] : ['-db', '-f', join(folder, 'conf')];
    children.push(spawn(command, words, { stdio: ['ignore', 'ignore', 'inherit'] }));
  };
  try {
    const folder = (name: string): string => join(host.layout.runDirectory, name);
    start('backend', 'nginx', nginxBackend(folder('backend')));
    start('nginx', 'nginx', nginxProxy(folder('nginx')));
    start('haproxy', 'haproxy', haproxyProxy);
    const target = { id: 'i-1:8080', ...backend, draining: false };
    await driver.ensure(
      balancer(host, [
        group([target], { healthCheck: { ...quickCheck, intervalMs: 5_000, timeoutMs: 2_000 } }),
      ]),
    );
    const ways = {
      'backend alone': `${backend.address}:${backend.port}`,
      nginx: '127.0.0.2',
      HAProxy: '127.0.0.3',
      Holdfast: '127.0.0.1',
    };
    for (const way of Object.values(ways)) {
      const [address = '', port = '80'] = way.split(':');
      await until(
        `${way} answers`,
        async () => (await ask(address, Number(port)).catch(() => undefined))?.status === 200,
      );
    }
    const rates = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, address] of Object.entries(ways)) {
        const { rate, errors } = await measure(address);
        if (errors) throw new Error(`${name}: errors under load`);
        rates.get(name)?.push(rate);
      }
    }
    console.log(`requests/s, ${connections} connections, 1 KB, median of ${rounds} rounds of ${seconds} s`);
    for (const [name, seen] of rates) {
      console.log(
        `  ${name.padEnd(14)} ${median(seen).toFixed(0).padStart(7)}   (${seen.map((rate) => rate.toFixed(0)).join(' ')})`,
      );
    }
    // Round by round, because other work on the machine changes what a round can reach.
    const ratios = rates
      .get('Holdfast')!
      .map((rate, n) => rate / Math.max(rates.get('nginx')![n]!, rates.get('HAProxy')![n]!));
    console.log(`  Holdfast / the better of nginx and HAProxy: ${median(ratios).toFixed(2)} (target 0.9)`);
  } finally {
    for (const child of children) child.kill('SIGTERM');
    await Promise.all(
      children.map((child) => child.exitCode ?? new Promise((resolve) => child.once('exit', resolve))),
    );
    await driver.close();
    await host.remove();
  }
}

await main();
