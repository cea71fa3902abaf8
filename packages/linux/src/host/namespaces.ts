/** Named network namespaces, as `ip netns` keeps them: a bind mount in /run/netns holds each. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { callFailed, inNamespace, inNewNamespace, mount, namespacePath, umount2 } from './libc.ts';

const FOLDER = '/run/netns';
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_SHARED = 0x10_0000;
const MNT_DETACH = 2;

/**
 * Makes /run/netns a shared mount of its own, so that a namespace removed here also goes from mount namespaces copied
 * meanwhile: a copy of the bind mount would keep the namespace and its links alive. The same as `ip netns add` does.
 */
function shareFolder(): void {
  mkdirSync(FOLDER, { recursive: true });
  if (mount('', FOLDER, 'none', MS_SHARED | MS_REC, null) === 0) return;
  if (mount(FOLDER, FOLDER, 'none', MS_BIND | MS_REC, null) !== 0) throw callFailed('mount', FOLDER);
  if (mount('', FOLDER, 'none', MS_SHARED | MS_REC, null) !== 0) throw callFailed('mount', FOLDER);
}

/** Is it there and usable? A file without its mount, left by a crash half-way, is not. */
export function namespaceExists(name: string): boolean {
  if (!existsSync(namespacePath(name))) return false;
  try {
    inNamespace(name, () => undefined);
    return true;
  } catch {
    return false;
  }
}

/** Makes a network namespace and sets `sysctls` in it; true when it was not there. Errors: EPERM without root. */
export function makeNamespace(name: string, sysctls: Readonly<Record<string, string>> = {}): boolean {
  const missing = !namespaceExists(name);
  if (missing) {
    removeNamespace(name);
    shareFolder();
    const path = namespacePath(name);
    closeSync(openSync(path, 'wx', 0o444));
    inNewNamespace(() => {
      if (mount('/proc/thread-self/ns/net', path, 'none', MS_BIND, null) !== 0)
        throw callFailed('mount', path);
    });
  }
  setSysctlsIn(name, sysctls);
  return missing;
}

/** Sets kernel settings such as `net.ipv4.ip_forward` inside a namespace. */
export function setSysctlsIn(name: string, sysctls: Readonly<Record<string, string>>): void {
  const entries = Object.entries(sysctls);
  if (entries.length === 0) return;
  inNamespace(name, () => {
    for (const [key, value] of entries) writeFileSync(join('/proc/sys', ...key.split('.')), value);
  });
}

/** Takes the name away; the kernel ends the namespace with its last process. Already gone is success. */
export function removeNamespace(name: string): void {
  const path = namespacePath(name);
  if (!existsSync(path)) return;
  // EINVAL: no mount there, only the file.
  while (umount2(path, MNT_DETACH) === 0);
  rmSync(path, { force: true });
}

/** The names of all namespaces that begin with `start`. */
export function listNamespaces(start = ''): string[] {
  if (!existsSync(FOLDER)) return [];
  return readdirSync(FOLDER)
    .filter((name) => name.startsWith(start))
    .sort();
}

/** The devices of this machine that a default route leads out of, best first. */
export function uplinkDevices(): string[] {
  const rows = readFileSync('/proc/net/route', 'utf8').trim().split('\n').slice(1);
  const defaults = rows
    .map((row) => row.split(/\s+/))
    .filter((row) => row[1] === '00000000' && row[7] === '00000000')
    .sort((a, b) => Number(a[6]) - Number(b[6]));
  return [...new Set(defaults.map((row) => row[0]!))];
}
