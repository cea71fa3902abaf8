/**
 * DescribeInstances per second, with 1 and with 1,000 instances, on the simulated driver; beside moto_server in the same
 * run, in turns, where that is installed. Prints a table and the ratios.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { median } from './figures.ts';

const root = join(import.meta.dirname, '..');
const ROUNDS = 5;
const ROUND_S = 3;
const CONNECTIONS = 8;

interface Peer {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
}

const agent = new Agent({ keepAlive: true, maxSockets: 8 });

/** The signature is well-formed, and nobody's. */
function headers(): Record<string, string> {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${date.slice(0, 8)}/us-east-1/ec2/aws4_request`;
  return {
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    'x-amz-date': date,
    authorization: `AWS4-HMAC-SHA256 Credential=test/${scope}, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}`,
  };
}

/** One EC2 call; the answer's body. */
function call(port: number, form: Record<string, string>): Promise<string> {
  const body = new URLSearchParams({ Version: '2016-11-15', ...form }).toString();
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method: 'POST', path: '/', headers: headers(), agent },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve(text);
          else reject(new Error(`${response.statusCode}: ${text.slice(0, 500)}`));
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function answers(peer: Peer): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (peer.child.exitCode !== null) throw new Error(`${peer.name} ended with ${peer.child.exitCode}`);
    const up = await call(peer.port, { Action: 'DescribeRegions' }).then(
      () => true,
      () => false,
    );
    if (up) return;
    await delay(100);
  }
  throw new Error(`${peer.name} does not answer`);
}

/** Calls per second over connections each of which asks again as soon as it is answered. */
async function rate(peer: Peer): Promise<number> {
  const script = join(folder, 'describe-instances.lua');
  const lines = Object.entries(headers()).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`);
  const body = 'wrk.body = "Version=2016-11-15&Action=DescribeInstances"';
  writeFileSync(script, ['wrk.method = "POST"', body, ...lines, ''].join('\n'));
  const load = [
    '-t1',
    '-c1',
    `-d${ROUND_S}`,
    '--timeout',
    '30',
    '-s',
    script,
    `http://127.0.0.1:${peer.port}/`,
  ];
  const wrk = spawn('wrk', load, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  wrk.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await new Promise<void>((resolve, reject) => {
    wrk.once('close', resolve);
    wrk.once('error', () => reject(new Error('wrk is not installed. Get it: apt-get install wrk')));
  });
  const found = /Requests\/sec:\s+([\d.]+)/.exec(said)?.[1];
  if (found === undefined || /Non-2xx|Socket errors/.test(said)) throw new Error(`${peer.name}: ${said}`);
  return Number(found);
}

async function launch(peer: Peer, count: number): Promise<void> {
  const images = await call(peer.port, { Action: 'DescribeImages', 'Owner.1': 'amazon' });
  const image = /<imageId>(ami-[0-9a-f]+)</.exec(images)?.[1] ?? '';
  for (let left = count; left > 0; left -= 100) {
    const some = String(Math.min(100, left));
    await call(peer.port, {
      Action: 'RunInstances',
      ImageId: image,
      InstanceType: 't3.micro',
      MinCount: some,
      MaxCount: some,
    });
  }
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
const env = { ...process.env, HOLDFAST_STATE_DIRECTORY: folder };
const peers: Peer[] = [];
try {
  const holdfast = [
    'packages/holdfast/src/main.ts',
    'control',
    '--driver',
    'sim',
    '--port',
    '4791',
    '--prefix',
    'hfba',
  ];
  peers.push({
    name: 'holdfast',
    port: 4791,
    child: spawn(process.execPath, holdfast, { cwd: root, env, stdio: 'ignore' }),
  });
  const moto = spawn('moto_server', ['-p', '4792'], { stdio: 'ignore' });
  const installed = await new Promise<boolean>((resolve) => {
    moto.once('error', () => resolve(false));
    moto.once('spawn', () => resolve(true));
  });
  if (installed) peers.push({ name: 'moto_server', port: 4792, child: moto });
  else console.log('moto_server is not installed (pip install "moto[server]"): no ratio');
  for (const peer of peers) await answers(peer);

  let existing = 0;
  for (const count of [1, 1000]) {
    for (const peer of peers) await launch(peer, count - existing);
    existing = count;
    const rates = new Map<string, number[]>(peers.map((peer) => [peer.name, []]));
    // The first round warms up and does not count.
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const peer of peers) {
        const reached = await rate(peer);
        if (round > 0) rates.get(peer.name)?.push(reached);
      }
    }
    const medians = peers.map((peer) => median(rates.get(peer.name) ?? []));
    const shown = peers
      .map((peer, at) => `${peer.name} ${medians[at]?.toFixed(medians[at] < 10 ? 2 : 0)}/s`)
      .join(', ');
    const ratio = medians.length > 1 ? `, ratio ${((medians[0] ?? 0) / (medians[1] ?? 1)).toFixed(0)} ×` : '';
    console.log(
      `DescribeInstances, ${CONNECTIONS} connections, ${count} instance${count > 1 ? 's' : ''}: ${shown}${ratio}`,
    );
  }
} finally {
  agent.destroy();
  for (const { child } of peers) {
    child.kill('SIGTERM');
    if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
  }
  spawnSync(process.execPath, ['packages/holdfast/src/main.ts', 'down', '--prefix', 'hfba'], {
    cwd: root,
    env,
  });
  rmSync(folder, { recursive: true, force: true });
}
