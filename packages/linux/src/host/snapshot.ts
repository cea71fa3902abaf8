/**
 * What a region may leave behind on a machine, as text that two moments can be compared by: whatever differs between
 * `hostSnapshot()` before `holdfast up` and after `holdfast down` was not undone.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findLoops } from '../volumes/loop.ts';
import { foldersOf, readOptional } from './files.ts';
import { listNamespaces } from './namespaces.ts';
import { runNft } from './nftables.ts';

export type HostSnapshot = Readonly<
  Record<
    | 'links'
    | 'routes'
    | 'rules'
    | 'namespaces'
    | 'mounts'
    | 'nftables'
    | 'cgroups'
    | 'loops'
    | 'hostsFile'
    | 'sysctls',
    string
  >
>;

/** The kernel settings that a region may change; those of devices are added as they are found. */
const SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv4.neigh.default.gc_thresh1',
  'net.ipv4.neigh.default.gc_thresh2',
  'net.ipv4.neigh.default.gc_thresh3',
  'fs.inotify.max_user_instances',
  'fs.inotify.max_user_watches',
  'fs.file-max',
  'kernel.pid_max',
  'kernel.threads-max',
  'vm.max_map_count',
  'net.netfilter.nf_conntrack_max',
];

const CGROUPS = '/sys/fs/cgroup';

/** Counters and timers change by themselves. */
const steady = (text: string): string =>
  text
    .replaceAll(/\b(expires|preferred_lft|valid_lft) \S+/g, '')
    .replaceAll(/\bcounter packets \d+ bytes \d+/g, 'counter')
    .replaceAll(/[ \t]+$/gm, '');

const ip = (...args: string[]): string => steady(execFileSync('ip', args, { encoding: 'utf8' }));

/** A folder and those below it; a cgroup may end while it is being looked at. */
const folders = (root: string): string[] => [
  root,
  ...foldersOf(root).flatMap((name) => folders(join(root, name))),
];

/** Mounts without the numbers that the kernel gives anew each time. */
const mounts = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [, , , root, point, ...rest] = line.split(' ');
      const dash = rest.indexOf('-');
      return [point, root, ...rest.slice(dash + 1, dash + 3)].join(' ');
    });

function sysctls(): string[] {
  const devices = readdirSync('/proc/sys/net/ipv4/conf').map((name) =>
    join('net/ipv4/conf', name, 'forwarding'),
  );
  return [...SYSCTLS.map((key) => key.replaceAll('.', '/')), ...devices].flatMap((path) => {
    // A device may go while it is being looked at.
    const value = readOptional(join('/proc/sys', path));
    return value === undefined ? [] : [`${path} ${value.trim()}`];
  });
}

const lines = (list: readonly string[]): string => list.toSorted().join('\n');

/** What stands on this machine now, in sections. Needs root and `ip`. */
export function hostSnapshot(): HostSnapshot {
  return {
    links: lines(
      ip('-o', '-d', 'address', 'show')
        .split('\n')
        .concat(ip('-br', 'link', 'show').split('\n')),
    ),
    routes: lines(
      ip('route', 'show', 'table', 'all')
        .split('\n')
        .concat(ip('-6', 'route', 'show', 'table', 'all').split('\n')),
    ),
    rules: lines(ip('rule', 'show').split('\n')),
    namespaces: lines(listNamespaces()),
    mounts: lines(mounts()),
    nftables: steady(runNft(undefined, 'list ruleset')),
    cgroups: lines(folders(CGROUPS)),
    loops: lines(findLoops('/').map(({ file }) => file)),
    hostsFile: readFileSync('/etc/hosts', 'utf8'),
    sysctls: lines(sysctls()),
  };
}

/** The lines that stand in one snapshot only, `+` for new and `-` for gone, by section; empty when nothing differs. */
export function snapshotDifference(before: HostSnapshot, after: HostSnapshot): string[] {
  return (Object.keys(before) as (keyof HostSnapshot)[]).flatMap((section) => {
    const [was, is] = [before[section].split('\n'), after[section].split('\n')];
    const gone = was.filter((line) => !is.includes(line)).map((line) => `${section} - ${line}`);
    const added = is.filter((line) => !was.includes(line)).map((line) => `${section} + ${line}`);
    if (gone.length + added.length === 0 && before[section] !== after[section])
      return [`${section}: order differs`];
    return [...gone, ...added];
  });
}
