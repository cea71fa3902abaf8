/** This machine as a place for real instances: what is missing, how it gets there, and how all of it goes again. */
import { spawn } from 'node:child_process';
import {
  buildBaseImage,
  listBaseImages,
  missingForCompute,
  removeAll as removeAllMachines,
} from '@holdfast/linux/compute/index.ts';
import { missingForEdge, removeHostsBlock, stopEdge } from '@holdfast/linux/edge/index.ts';
import type { Missing } from '@holdfast/linux/host/missing.ts';
import { restoreSysctls } from '@holdfast/linux/host/sysctl.ts';
import type { HostLayout } from '@holdfast/linux/layout.ts';
import { missingForLoadBalancer, removeAllLoadBalancers } from '@holdfast/linux/loadbalancer/index.ts';
import { missingForNetwork, removeAll as removeAllNetworks } from '@holdfast/linux/network/index.ts';
import { missingForVolumes, removePool } from '@holdfast/linux/volumes/index.ts';
import { Refusal } from './command.ts';
import { step } from './progress.ts';

/** Debian's names of everything that the drivers call. */
const debianPackages = [
  'ca-certificates',
  'e2fsprogs',
  'haproxy',
  'iproute2',
  'libnftables1',
  'mmdebstrap',
  'mount',
  'nftables',
  'openssh-client',
  'runc',
  'util-linux',
  'xfsprogs',
];

/** What real instances lack here, each thing once. */
export async function missingHere(): Promise<Missing[]> {
  const found = [
    missingForCompute(),
    missingForVolumes(),
    missingForNetwork(),
    missingForLoadBalancer(),
    missingForEdge(),
  ].flat();
  return [...new Map(found.map((one) => [one.what, one])).values()];
}

export const describeMissing = (missing: readonly Missing[]): string =>
  missing.map(({ what, why, howToGet }) => `  ${what}: ${why}. Get it: ${howToGet}`).join('\n');

export const baseImageIsBuilt = (layout: HostLayout): boolean => listBaseImages(layout).length > 0;

export async function ensureBaseImage(layout: HostLayout): Promise<void> {
  await step('Base image', (note) => buildBaseImage(layout, { onProgress: note }));
}

async function run(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  });
  let output = '';
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-100_000);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (ended) => resolve(ended ?? 1));
  });
  return { code, output };
}

async function absentPackages(): Promise<string[]> {
  const { output } = await run('dpkg-query', [
    '-W',
    '-f',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders.
    '${Package} ${db:Status-Status}\n',
    ...debianPackages,
  ]);
  const installed = new Set(
    output
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return debianPackages.filter((name) => !installed.has(name));
}

/** A machine that has just started may be updating itself: apt waits for that. */
const lockTimeout = ['-o', 'DPkg::Lock::Timeout=300'];

async function aptGet(...args: string[]): Promise<void> {
  const { code, output } = await run('apt-get', [...lockTimeout, ...args]);
  if (code !== 0)
    throw new Refusal(
      `apt-get ${args.join(' ')} ended with ${code}:\n${output.trim().split('\n').slice(-8).join('\n')}`,
    );
}

/** As root on Debian: installs what is missing, by name, and builds the base image. Refuses with words otherwise. */
export async function prepareMachine(layout: HostLayout): Promise<void> {
  const before = await missingHere();
  if (before.length > 0 && process.getuid?.() === 0) {
    const absent = await absentPackages().catch(() => []);
    if (absent.length > 0) {
      await step(`Installing the Debian packages ${absent.join(', ')}`, async () => {
        await aptGet('update', '-q');
        await aptGet('install', '-q', '-y', '--no-install-recommends', ...absent);
      });
    }
  }
  const missing = await missingHere();
  if (missing.length > 0)
    throw new Refusal(`real instances cannot run here yet:\n${describeMissing(missing)}`);
  await ensureBaseImage(layout);
}

/** Removes everything that a region made on this machine; disks and store only go when `keepState` is false. */
export async function removeFromMachine(layout: HostLayout, keepState: boolean): Promise<void> {
  await stopEdge(layout);
  await removeAllLoadBalancers(layout);
  await removeAllMachines(layout, { keepState });
  await removePool(layout, { keepState });
  await removeAllNetworks(layout);
  await removeHostsBlock(layout);
  restoreSysctls(layout);
}
