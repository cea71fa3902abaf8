/**
 * Terraform's apply, second plan and destroy of the example network on real instances, beside moto_server, which records
 * them in a table; in turns in the same run. Most of it are the provider's own waits, the same for both: what either needs
 * beyond them is the difference. Needs root, Terraform with its AWS provider, and moto_server for the ratio.
 *
 *     node bench/terraform.ts [rounds]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createConnection } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { withoutInstances } from '../test/support/needs.ts';
import { startRegion } from '../test/support/region.ts';
import { terraformIn, withoutTerraform } from '../test/support/terraform.ts';
import { median } from './figures.ts';

const ROUNDS = Number(process.argv[2] ?? 3);
const MOTO_PORT = 4794;
const steps = ['apply', 'second plan', 'destroy'] as const;
type Step = (typeof steps)[number];

interface Peer {
  readonly name: string;
  readonly env: Record<string, string>;
  readonly image: string;
  readonly took: Record<Step, number[]>;
}

const missing = withoutTerraform() || (await withoutInstances());
if (missing) {
  console.error(missing);
  process.exit(1);
}

function startMoto(): Promise<ChildProcess | undefined> {
  const child = spawn('moto_server', ['-p', String(MOTO_PORT)], { stdio: 'ignore' });
  return new Promise((resolve) => {
    child.once('error', () => resolve(undefined));
    child.once('spawn', () => resolve(child));
  });
}

async function listens(child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (child.exitCode !== null) throw new Error(`moto_server ended with ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection(MOTO_PORT, '127.0.0.1', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    await delay(100);
  }
  throw new Error('moto_server does not listen');
}

const publicKey =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEj5B9MU2GWP+O9EORHTdmIucVHa4vLKY7kSVZcA2SxV somebody@example';

async function round(peer: Peer): Promise<void> {
  const terraform = await terraformIn('examples/terraform/network', {
    ...peer.env,
    TF_VAR_public_key: publicKey,
    TF_VAR_image_name: peer.image,
  });
  const timed = async (step: Step, work: () => Promise<unknown>): Promise<void> => {
    const begunAt = performance.now();
    await work();
    peer.took[step].push((performance.now() - begunAt) / 1000);
  };
  try {
    try {
      await timed('apply', () => terraform.apply());
      await timed('second plan', async () => {
        const changes = await terraform.changes();
        // What is not described as it was made is the peer's own affair, but ours would be an error.
        if (changes.length > 0) console.log(`${peer.name} would change: ${changes.join(', ')}`);
      });
    } finally {
      await timed('destroy', () => terraform.destroy());
    }
  } finally {
    terraform.close();
  }
}

const peerOf = (name: string, env: Record<string, string>, image: string): Peer => ({
  name,
  env,
  image,
  took: { apply: [], 'second plan': [], destroy: [] },
});

const moto = await startMoto();
const region = await startRegion({ prefix: 'hbt', driver: 'linux', publicCidr: '198.19.242.0/23' });
try {
  const peers = [peerOf('holdfast', region.env, 'debian-12-*')];
  if (moto) {
    await listens(moto);
    const env = { ...region.env, AWS_ENDPOINT_URL: `http://127.0.0.1:${MOTO_PORT}` };
    peers.push(peerOf('moto_server', env, 'al2023-ami-2023*-kernel-6.1-x86_64'));
  } else console.log('moto_server is not installed (pip install "moto[server]"): no ratio');
  for (let done = 0; done < ROUNDS; done += 1) {
    for (const peer of done % 2 === 0 ? peers : peers.toReversed()) await round(peer);
  }
  for (const step of steps) {
    const medians = peers.map(({ took }) => median(took[step]));
    const shown = peers.map(
      ({ name, took }, at) =>
        `${name} ${medians[at]?.toFixed(1)} s (${took[step].map((one) => one.toFixed(1)).join(', ')})`,
    );
    const ratio = medians.length > 1 ? `; ratio ${((medians[0] ?? 0) / (medians[1] ?? 1)).toFixed(3)}` : '';
    console.log(`${step}: ${shown.join(', ')}${ratio}`);
  }
} finally {
  await region.down();
  if (moto && moto.exitCode === null) {
    moto.kill('SIGTERM');
    await new Promise((resolve) => moto.once('exit', resolve));
  }
}
