/**
 * Volumes: how long a writer inside an instance waits at most while a snapshot of its volume is taken, beside no snapshot
 * and a plain copy of the same file; from attaching one until it can be written to inside; and how fast files are written
 * there, beside this machine's own file system. Needs root.
 *
 *     node bench/volumes.ts [runs]
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from '../packages/linux/src/host/command.ts';
import { volumeFile } from '../packages/linux/src/volumes/paths.ts';
import { gibibyte, having, volumeHost } from '../test/linux/volume-host.ts';
import { median } from './figures.ts';

const runs = Number(process.argv[2] ?? 5);
const dataMebibytes = 200;
const host = await volumeHost('hvb');

const row = (name: string, values: number[], unit: string): void =>
  console.log(
    `${name.padEnd(58)} p50 ${median(values).toFixed(1).padStart(7)} ${unit}   max ${Math.max(...values)
      .toFixed(1)
      .padStart(7)} ${unit}`,
  );

/** Writes 4 KiB to a file and has them on the volume, again and again; says at the end how long one took at most, in ms. */
const writer = (seconds: number): string => `import os, time
file = os.open("/data/log", os.O_WRONLY | os.O_CREAT)
worst, until = 0, time.monotonic() + ${seconds}
while time.monotonic() < until:
    begun = time.monotonic()
    os.pwrite(file, b"x" * 4096, 0)
    os.fdatasync(file)
    worst = max(worst, time.monotonic() - begun)
print(worst * 1000)`;

/** The longest that the writer waited while `work` was done. */
async function stall(work: () => Promise<void>): Promise<number> {
  const argv = ['--root', join(host.layout.runDirectory, 'runc'), 'exec', 'i-a', 'python3', '-c', writer(2)];
  const child = spawn('runc', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await delay(600);
  await work();
  await ended;
  return Number(said);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begunAt = performance.now();
  await work();
  return performance.now() - begunAt;
}

try {
  const machine = await host.machine('i-a');
  const volume = await host.data('vol-0a', '/dev/sdf', 4 * gibibyte);
  await host.boot(having(machine, volume));
  await host.inside('i-a', 'mkfs.ext4 -q /dev/sdf && mkdir /data && mount /dev/sdf /data');
  const fill = (name: string): Promise<string> =>
    host.inside('i-a', `dd if=/dev/urandom of=/data/${name} bs=1M count=${dataMebibytes} status=none`);

  const [quiet, during, took, copied, copying]: number[][] = [[], [], [], [], []];
  for (let run = 0; run < runs; run++) {
    // New data each time, part of it still in memory when the snapshot is asked for: they alone make a writer wait.
    await fill('fill');
    quiet!.push(await stall(() => delay(0)));
    await fill('fill');
    during!.push(
      await stall(async () => {
        took!.push(await timed(() => host.volumes.snapshot('vol-0a', `snap-${run}`)));
      }),
    );
    const copy = join(host.layout.stateDirectory, 'copy');
    await fill('fill');
    copying!.push(
      await stall(async () => {
        copied!.push(
          await timed(() =>
            runCommand(['cp', '--reflink=never', '--sparse=always', volumeFile(host.layout, 'vol-0a'), copy]),
          ),
        );
      }),
    );
    rmSync(copy);
  }
  row(`snapshot of ${dataMebibytes} MiB of data`, took!, 'ms');
  row('  longest wait of a writer meanwhile', during!, 'ms');
  row('  longest wait of a writer without one', quiet!, 'ms');
  row('plain copy of the same file', copied!, 'ms');
  row('  longest wait of a writer meanwhile', copying!, 'ms');

  const attached: number[] = [];
  for (let run = 0; run < runs; run++) {
    const more = await host.data(`vol-more-${run}`, '/dev/sdg');
    attached.push(
      await timed(async () => {
        await host.compute.ensure(having(machine, volume, more));
      }),
    );
    await host.inside('i-a', 'printf used > /dev/xvdg; sync /dev/xvdg');
    await host.compute.ensure(having(machine, volume));
  }
  row('attach a volume, until its device is there', attached, 'ms');

  const write = 'dd if=/dev/zero bs=1M count=512 conv=fsync status=none of=';
  const [inside, outside, root]: number[][] = [[], [], []];
  for (let run = 0; run < runs; run++) {
    inside!.push((512 / (await timed(() => host.inside('i-a', `${write}/data/speed`)))) * 1_000);
    root!.push((512 / (await timed(() => host.inside('i-a', `${write}/root/speed`)))) * 1_000);
    const file = join(host.layout.stateDirectory, 'speed');
    outside!.push((512 / (await timed(() => runCommand(['sh', '-c', `${write}${file}`])))) * 1_000);
    rmSync(file);
    await host.inside('i-a', 'rm /data/speed /root/speed');
  }
  row('write and sync 512 MiB on a data volume', inside!, 'MiB/s');
  row('write and sync 512 MiB on the root volume', root!, 'MiB/s');
  row('write and sync 512 MiB on this machine', outside!, 'MiB/s');
  console.log(
    `ratio to this machine: data ${(median(inside!) / median(outside!)).toFixed(2)}, root ${(median(root!) / median(outside!)).toFixed(2)}`,
  );
} finally {
  await host.close();
}
