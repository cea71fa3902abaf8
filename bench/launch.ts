/**
 * How fast machines start: from making the root volume and `ensure` of the compute driver until the first line of user
 * data, beside a bare `runc run` of the same root file system, taken in turns; fifty at a time; and what an idle one
 * costs. Needs root.
 *
 *     node bench/launch.ts [runs]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildBaseImage, linuxCompute, removeAll } from '../packages/linux/src/compute/index.ts';
import { runCommand } from '../packages/linux/src/host/command.ts';
import { restoreSysctls } from '../packages/linux/src/host/sysctl.ts';
import { hostLayout } from '../packages/linux/src/layout.ts';
import { linuxVolumes, removePool } from '../packages/linux/src/volumes/index.ts';
import type { MachineSpec, MachineStatus } from '../packages/region/src/drivers/compute.ts';
import { computeHost } from '../test/linux/compute-host.ts';
import { bareRunc, want } from './bare-runc.ts';

const runs = Number(process.argv[2] ?? 20);
const stateDirectory = mkdtempSync(join(tmpdir(), 'holdfast-hcb-'));
const layout = hostLayout({ prefix: 'hcb', stateDirectory });
const host = computeHost(layout);
const { layers } = await buildBaseImage(layout, { onProgress: console.log });
const disks = linuxVolumes(layout);
await clear();
const driver = linuxCompute(layout);

async function clear(): Promise<void> {
  await removeAll(layout, { keepState: false });
  for (const { id } of await disks.list()) await disks.remove(id);
  await host.removeNamespaces();
}

/** Makes the machine's root volume and boots it. */
async function start(machine: MachineSpec): Promise<MachineStatus> {
  const volumeId = `vol-${machine.id}`;
  await disks.ensure({ id: volumeId, sizeBytes: 8 * 2 ** 30, origin: { kind: 'root' } });
  return driver.ensure({ ...machine, volumes: [{ volumeId, device: '/dev/xvda', role: 'root' }] });
}

async function launch(id: string): Promise<{ tookMs: number; startMs: number }> {
  const { machine, reported } = await want(host, id, layers);
  const begunAt = performance.now();
  const status = await start(machine);
  const startMs = performance.now() - begunAt;
  if (status.state !== 'running') throw new Error(status.end?.detail);
  return { tookMs: (await reported) - begunAt, startMs };
}

/** How long it takes until the death of a machine's init is told. */
async function killed(id: string): Promise<number> {
  const status = await driver.status(id);
  return new Promise((resolve) => {
    const stop = driver.watch((changed) => {
      if (changed !== id) return;
      stop();
      resolve(performance.now() - begunAt);
    });
    const begunAt = performance.now();
    process.kill(status!.initPid!, 'SIGKILL');
  });
}

const percentile = (values: number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!;
const row = (name: string, values: number[]): string =>
  `${name.padEnd(44)} p50 ${percentile(values, 0.5).toFixed(0).padStart(5)} ms   p90 ${percentile(values, 0.9).toFixed(0).padStart(5)} ms   min ${Math.min(
    ...values,
  )
    .toFixed(0)
    .padStart(5)} ms`;

try {
  await launch('i-warm');
  await clear();
  const [took, started, bares, told]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (let run = 0; run < runs; run++) {
    const { tookMs, startMs } = await launch(`i-${run}`);
    took.push(tookMs);
    started.push(startMs);
    // Both measure a machine alone: the rest of a boot must not run into the next measure.
    await delay(700);
    told.push(await killed(`i-${run}`));
    await driver.remove(`i-${run}`);
    bares.push(await bareRunc(layout, await want(host, `i-bare-${run}`, layers)));
    await delay(300);
    await driver.remove(`i-bare-${run}`);
  }
  console.log(row('volume and ensure → first line of user data', took));
  console.log(row('  of which volume and ensure', started));
  console.log(row('bare runc run → first line of user data', bares));
  console.log(row('init killed → told', told));
  console.log(`ratio of the medians ${(percentile(took, 0.5) / percentile(bares, 0.5)).toFixed(2)}`);
  await clear();

  const ids = Array.from({ length: 50 }, (_, index) => `i-many-${index}`);
  const wanted = await Promise.all(ids.map((id) => want(host, id, layers)));
  const begunAt = performance.now();
  await Promise.all(wanted.map(({ machine }) => start(machine)));
  await Promise.all(wanted.map(({ reported }) => reported));
  console.log(
    `50 machines, all running their user data        ${((performance.now() - begunAt) / 1_000).toFixed(1)} s`,
  );
  await delay(5_000);
  const usages = await Promise.all(ids.map((id) => driver.usage(id)));
  const megabytes = usages.map((usage) => usage!.memoryBytes / 1e6);
  console.log(
    `memory of an idle one                            p50 ${percentile(megabytes, 0.5).toFixed(1)} MB`,
  );
  const cpu = usages.map((usage) => usage!.cpuNs / 1e6);
  console.log(`processor time of its boot                       p50 ${percentile(cpu, 0.5).toFixed(0)} ms`);
  console.log(
    `load of this machine                             ${readFileSync('/proc/loadavg', 'utf8').trim()}`,
  );
  const stopAt = performance.now();
  await removeAll(layout, { keepState: false });
  console.log(
    `50 machines removed                              ${((performance.now() - stopAt) / 1_000).toFixed(1)} s`,
  );
} finally {
  driver.close();
  await clear();
  await removePool(layout, { keepState: false });
  restoreSysctls(layout);
  rmSync(stateDirectory, { recursive: true, force: true });
  await runCommand(['sync']);
}
