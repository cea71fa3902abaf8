/** What this host lacks for running machines, in words. */
import { join } from 'node:path';
import { readOptional } from '../host/files.ts';
import { hasCommand, type Missing } from '../host/missing.ts';
import { findCgroupHost } from './cgroups.ts';

const commands: readonly [command: string, debianPackage: string, why: string][] = [
  ['runc', 'runc', 'it starts instances'],
  ['mmdebstrap', 'mmdebstrap', 'it builds the base image'],
  ['mount', 'mount', 'instances’ disks are overlay mounts'],
  ['fallocate', 'util-linux', 'it keeps console logs short'],
  ['ip', 'iproute2', 'instances have network namespaces of their own'],
];

/** Empty when machines can run here. */
export function missingForCompute(): Missing[] {
  const missing: Missing[] = [];
  if (process.platform !== 'linux') {
    return [{ what: 'Linux', why: 'instances are Linux containers', howToGet: 'run it on a Linux machine' }];
  }
  if (process.getuid?.() !== 0) {
    missing.push({
      what: 'root',
      why: 'instances need namespaces, mounts and cgroups',
      howToGet: 'run it with sudo',
    });
  }
  for (const [what, debianPackage, why] of commands) {
    if (!hasCommand(what)) missing.push({ what, why, howToGet: `apt-get install ${debianPackage}` });
  }
  if (!/\boverlay$/m.test(readOptional('/proc/filesystems') ?? '')) {
    missing.push({ what: 'overlayfs', why: 'disks are layers on an image', howToGet: 'modprobe overlay' });
  }
  missing.push(...missingCgroups());
  return missing;
}

function missingCgroups(): Missing[] {
  const host = findCgroupHost();
  if (!host) {
    return [
      {
        what: 'a cgroup2 mount',
        why: 'an instance’s end is seen there',
        howToGet: 'mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified',
      },
    ];
  }
  const present =
    host.kind === 'hybrid'
      ? [...host.controllers.keys()]
      : (readOptional(join(host.unified, 'cgroup.controllers')) ?? '').trim().split(' ');
  const needed =
    host.kind === 'hybrid' ? ['cpu', 'cpuacct', 'memory', 'pids', 'devices'] : ['cpu', 'memory', 'pids'];
  return needed
    .filter((controller) => !present.includes(controller))
    .map((controller) => ({
      what: `the cgroup controller ${controller}`,
      why: 'it holds instances to their limits',
      howToGet: 'a kernel, or a container this runs in, that offers it',
    }));
}
