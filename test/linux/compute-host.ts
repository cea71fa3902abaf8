/**
 * What the compute driver finds around it in a region, made by hand for its own tests: a network namespace for each
 * machine and a metadata service inside it.
 */
import { closeSync, existsSync, openSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { removeAll } from '../../packages/linux/src/compute/index.ts';
import { stopEdge } from '../../packages/linux/src/edge/index.ts';
import { runCommand } from '../../packages/linux/src/host/command.ts';
import { restoreSysctls } from '../../packages/linux/src/host/sysctl.ts';
import { endpointNamespace, type HostLayout } from '../../packages/linux/src/layout.ts';
import { linuxVolumes, removePool, volumePaths } from '../../packages/linux/src/volumes/index.ts';
import { findLoops } from '../../packages/linux/src/volumes/loop.ts';
import type { MachineVolume } from '../../packages/region/src/drivers/compute.ts';
import type { VolumeDriver, VolumeOrigin } from '../../packages/region/src/drivers/volume.ts';
import { becomes } from '../support/instances.ts';

const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
const setns = koffi.load(null).func('int setns(int fd, int kind)') as (file: number, kind: number) => number;
const CLONE_NEWNET = 0x40000000;

export interface Metadata {
  readonly userData?: string | Buffer;
  readonly publicKey?: string;
  /** Called when the instance asks who it is, which it does once in each boot. */
  readonly onBoot?: () => void;
  /** What the instance sends to `http://169.254.169.254/test/…`, with the time it came. */
  readonly onReport?: (path: string) => void;
}

/** Makes `listen` in another namespace: a socket stays in the namespace in which it was made. */
function inNamespace(namespace: string, act: () => void): void {
  const own = openSync('/proc/self/ns/net', 'r');
  const other = openSync(`/run/netns/${namespace}`, 'r');
  try {
    if (setns(other, CLONE_NEWNET) !== 0) throw new Error(`cannot enter ${namespace}`);
    act();
  } finally {
    setns(own, CLONE_NEWNET);
    closeSync(own);
    closeSync(other);
  }
}

/** What the metadata service answers; a string is a 200. */
function answerTo(id: string, metadata: Metadata, request: IncomingMessage): string | Buffer | number {
  const path = request.url ?? '';
  if (path.startsWith('/test/')) {
    metadata.onReport?.(path.slice('/test/'.length));
    return '';
  }
  if (request.method === 'PUT' && path === '/latest/api/token') return 'a-token';
  if (request.headers['x-aws-ec2-metadata-token'] !== 'a-token') return 401;
  if (path === '/latest/meta-data/instance-id') {
    metadata.onBoot?.();
    return id;
  }
  if (path === '/latest/user-data') return metadata.userData ?? 404;
  if (path === '/latest/meta-data/public-keys/0/openssh-key') return metadata.publicKey ?? 404;
  return 404;
}

function answer(id: string, metadata: Metadata, request: IncomingMessage, response: ServerResponse): void {
  const said = answerTo(id, metadata, request);
  if (typeof said === 'number') response.writeHead(said).end();
  else response.writeHead(200).end(said);
}

export interface ComputeHost {
  readonly layout: HostLayout;
  /** Makes a namespace for the machine, with a metadata service; returns its name. */
  makeNamespace(id: string, metadata?: Metadata): Promise<string>;
  readonly volumes: VolumeDriver;
  /** Makes the machine's root volume `vol-<id>`, as a copy of a snapshot or empty, and says what it is to the machine. */
  rootVolume(id: string, snapshotId?: string): Promise<MachineVolume>;
  /** Removes all volumes and snapshots. No machine may have one. */
  removeVolumes(): Promise<void>;
  /** Removes all namespaces of this prefix, also those that a test killed earlier has left. */
  removeNamespaces(): Promise<void>;
  /** Removes all machines, volumes and namespaces. */
  clear(): Promise<void>;
  /** Removes whatever there is of this prefix, also what a test killed earlier has left. */
  removeAll(): Promise<void>;
}

export function computeHost(layout: HostLayout): ComputeHost {
  const servers = new Map<string, Server>();
  const volumes = linuxVolumes(layout);

  async function removeVolumes(): Promise<void> {
    // The kernel takes a device away only after the last process of a machine is gone, a moment behind its end.
    await becomes(() => findLoops(volumePaths(layout).volumes), []);
    for (const { id } of await volumes.list()) await volumes.remove(id);
    for (const { id } of await volumes.listSnapshots()) await volumes.removeSnapshot(id);
  }

  async function removeNamespaces(): Promise<void> {
    for (const server of servers.values()) {
      server.close();
      server.closeAllConnections();
    }
    servers.clear();
    if (!existsSync('/run/netns')) return;
    for (const name of readdirSync('/run/netns')) {
      if (name.startsWith(`${layout.prefix}-`)) await runCommand(['ip', 'netns', 'delete', name]);
    }
  }

  return {
    layout,
    volumes,
    removeVolumes,
    removeNamespaces,

    async clear() {
      await removeAll(layout, { keepState: false });
      await removeVolumes();
      await removeNamespaces();
    },

    async removeAll() {
      await removeAll(layout, { keepState: false });
      await removeNamespaces();
      await stopEdge(layout);
      await removePool(layout, { keepState: false });
      restoreSysctls(layout);
      for (const directory of [layout.stateDirectory, layout.runDirectory])
        rmSync(directory, { recursive: true, force: true });
    },

    async rootVolume(id, snapshotId) {
      const volume: MachineVolume = { volumeId: `vol-${id}`, device: '/dev/xvda', role: 'root' };
      const origin: VolumeOrigin =
        snapshotId === undefined ? { kind: 'root' } : { kind: 'snapshot', snapshotId };
      await volumes.ensure({ id: volume.volumeId, sizeBytes: 2 ** 33, origin });
      return volume;
    },

    async makeNamespace(id, metadata = {}) {
      const namespace = endpointNamespace(layout, id);
      if (!existsSync(`/run/netns/${namespace}`)) {
        await runCommand(['ip', 'netns', 'add', namespace]);
        await runCommand(['ip', '-n', namespace, 'link', 'set', 'lo', 'up']);
        await runCommand(['ip', '-n', namespace, 'address', 'add', '169.254.169.254/32', 'dev', 'lo']);
      }
      servers.get(id)?.close();
      servers.get(id)?.closeAllConnections();
      const server = createServer((request, response) => answer(id, metadata, request, response));
      servers.set(id, server);
      // Without a host name to look up, Node makes the socket before listen returns.
      inNamespace(namespace, () => server.listen(80));
      return namespace;
    },
  };
}
