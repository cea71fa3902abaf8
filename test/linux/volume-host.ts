/** A host with volumes and machines that have them, for tests of both drivers together. */
import { join } from 'node:path';
import { buildBaseImage, type LinuxCompute, linuxCompute } from '../../packages/linux/src/compute/index.ts';
import { startEdge } from '../../packages/linux/src/edge/index.ts';
import { runCommand } from '../../packages/linux/src/host/command.ts';
import { hostLayout } from '../../packages/linux/src/layout.ts';
import type { MachineSpec, MachineStatus, MachineVolume } from '../../packages/region/src/drivers/compute.ts';
import type { VolumeDriver, VolumeOrigin } from '../../packages/region/src/drivers/volume.ts';
import { BOOTED } from '../support/instances.ts';
import { stateDirectoryOf } from '../support/region.ts';
import { computeHost, type Metadata } from './compute-host.ts';

export const gibibyte = 2 ** 30;

export interface VolumeHost {
  readonly layout: ReturnType<typeof hostLayout>;
  readonly compute: LinuxCompute;
  readonly volumes: VolumeDriver;
  /** A machine as wanted, with a root volume `vol-<id>` of its own, empty unless it says otherwise. */
  machine(
    id: string,
    options?: { origin?: VolumeOrigin; sizeBytes?: number; metadata?: Metadata },
  ): Promise<MachineSpec>;
  /** An empty data volume that a machine may have. */
  data(id: string, device: string, sizeBytes?: number): Promise<MachineVolume>;
  /** Boots it, and waits until its systemd has done so. Throws when it has not. */
  boot(machine: MachineSpec): Promise<MachineStatus>;
  /** Runs a shell script as root inside; what it said, both streams in one, whatever it ends with. */
  inside(id: string, script: string): Promise<string>;
  /** Removes all, as `holdfast down` does. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export const having = (machine: MachineSpec, ...more: MachineVolume[]): MachineSpec => ({
  ...machine,
  volumes: [...(machine.volumes ?? []), ...more],
});

export async function volumeHost(prefix: string): Promise<VolumeHost> {
  const layout = hostLayout({ prefix, stateDirectory: stateDirectoryOf(prefix) });
  const host = computeHost(layout);
  await host.removeAll();
  const { layers } = await buildBaseImage(layout);
  await startEdge(layout, { hostsFile: false, frontDoorAddresses: [] });
  const compute = linuxCompute(layout);
  const { volumes } = host;

  const inside = (id: string, script: string): Promise<string> =>
    runCommand([
      ...(['runc', '--root', join(layout.runDirectory, 'runc'), 'exec', id] as const),
      ...['sh', '-c', `exec 2>&1; ${script}\n:`],
    ]);
  return {
    layout,
    compute,
    volumes,
    inside,
    clear: host.clear,
    async machine(id, { origin, sizeBytes = 8 * gibibyte, metadata = {} } = {}) {
      const root: MachineVolume = { volumeId: `vol-${id}`, device: '/dev/xvda', role: 'root' };
      await volumes.ensure({ id: root.volumeId, sizeBytes, origin: origin ?? { kind: 'root' } });
      return {
        id,
        namespace: await host.makeNamespace(id, metadata),
        hostname: `ip-of-${id}`,
        layers,
        volumes: [root],
        vcpus: 2,
        memoryBytes: gibibyte,
        init: 'systemd',
        power: 'on',
        boot: 1,
        shutdownTimeoutMs: 15_000,
      };
    },
    async data(id, device, sizeBytes = gibibyte) {
      await volumes.ensure({ id, sizeBytes, origin: { kind: 'empty' } });
      return { volumeId: id, device, role: 'data' };
    },
    async boot(machine) {
      const status = await compute.ensure(machine);
      if (status.state !== 'running') throw new Error(status.end?.detail);
      if (machine.init === 'nano') return status;
      const state = await inside(
        machine.id,
        `${BOOTED}; test "$s" = running || systemctl --no-pager --failed`,
      );
      if (state.trim() !== 'running') throw new Error(`${machine.id}: ${state}`);
      return status;
    },
    async close() {
      compute.close();
      await host.removeAll();
    },
  };
}
