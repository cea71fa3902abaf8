/** The peer of a launch: `runc run` of the same root file system and configuration, with all that can be prepared prepared. */
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findCgroupHost, machineCgroups } from '../packages/linux/src/compute/cgroups.ts';
import { makeDevices } from '../packages/linux/src/compute/devices.ts';
import { layerFolders, mountDisk } from '../packages/linux/src/compute/disk.ts';
import { giveIdentity } from '../packages/linux/src/compute/identity.ts';
import { ociConfiguration } from '../packages/linux/src/compute/oci.ts';
import { machinePaths } from '../packages/linux/src/compute/record.ts';
import { openRunc } from '../packages/linux/src/compute/runc.ts';
import { unmountBelow } from '../packages/linux/src/host/mounts.ts';
import type { HostLayout } from '../packages/linux/src/layout.ts';
import type { MachineSpec } from '../packages/region/src/drivers/compute.ts';
import type { computeHost } from '../test/linux/compute-host.ts';

export interface Wanted {
  readonly machine: MachineSpec;
  /** Resolves with the time, on `performance.now`, when the machine's user data reports itself. */
  readonly reported: Promise<number>;
}

/** A machine whose user data reports itself at once. */
export async function want(
  host: ReturnType<typeof computeHost>,
  id: string,
  layers: readonly string[],
): Promise<Wanted> {
  let report: (at: number) => void = () => undefined;
  const reported = new Promise<number>((resolve) => {
    report = resolve;
  });
  const userData =
    '#!/bin/bash\nprintf "GET /test/first HTTP/1.0\\r\\n\\r\\n" > /dev/tcp/169.254.169.254/80\n';
  const namespace = await host.makeNamespace(id, { userData, onReport: () => report(performance.now()) });
  const limits = { vcpus: 2, memoryBytes: 1024 * 1_048_576 };
  const kind = { init: 'systemd', power: 'on', boot: 1, shutdownTimeoutMs: 0 } as const;
  return { machine: { id, namespace, hostname: id, layers, ...limits, ...kind }, reported };
}

/** Milliseconds from the start of runc to the first line of user data; the machine is gone afterwards. */
export async function bareRunc(layout: HostLayout, { machine, reported }: Wanted): Promise<number> {
  const paths = machinePaths(layout, machine.id);
  const cgroupHost = findCgroupHost();
  if (!cgroupHost) throw new Error('no cgroups here');
  const cgroups = machineCgroups(cgroupHost, layout, machine.id);
  mkdirSync(paths.run, { recursive: true });
  const disk = { upper: join(paths.run, 'upper'), work: join(paths.run, 'work') };
  for (const folder of [disk.upper, disk.work]) mkdirSync(folder, { recursive: true });
  mkdirSync(paths.state, { recursive: true });
  await giveIdentity(disk.upper, machine);
  await mountDisk(paths, disk, layerFolders(layout, machine.layers));
  await makeDevices(paths);
  cgroups.prepare({ vcpus: machine.vcpus, memoryBytes: machine.memoryBytes, processes: 4_096 });
  writeFileSync(paths.endMarker, '');
  const settings = { machine, paths, cgroupPath: cgroups.ociPath, processes: 4_096 };
  const configuration = ociConfiguration({ ...settings, terminal: '/dev/null' });
  writeFileSync(join(paths.run, 'config.json'), JSON.stringify(configuration));
  const stdio = openSync(paths.console, 'a');
  const begunAt = performance.now();
  const files = { bundle: paths.run, pidFile: join(paths.run, 'init.pid'), log: paths.runcLog };
  await openRunc(layout).run(machine.id, { ...files, procs: cgroups.launcherProcs, stdio });
  const tookMs = (await reported) - begunAt;
  cgroups.kill();
  await cgroups.emptied(5_000);
  await openRunc(layout).delete(machine.id);
  await unmountBelow(paths.run);
  return tookMs;
}
