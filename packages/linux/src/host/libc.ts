/**
 * The few calls of the C library that Node has no word for: namespaces, sockets made inside them, mounts, devices. koffi
 * finds libc at run time, so nothing is compiled.
 */
import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');

const setns = libc.func('int setns(int fd, int nstype)');
export const socket = libc.func('int socket(int domain, int type, int protocol)');
export const bind = libc.func('int bind(int fd, const void *address, uint32_t length)');
export const listen = libc.func('int listen(int fd, int backlog)');
export const setsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
);
export const send = libc.func('int64_t send(int fd, const void *buffer, uint64_t length, int flags)');
export const recv = libc.func('int64_t recv(int fd, _Out_ void *buffer, uint64_t length, int flags)');

export const unshare = libc.func('int unshare(int flags)');
export const mount = libc.func(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)',
);
export const ioctl = libc.func('int ioctl(int fd, unsigned long request, unsigned long argument)');
export const ioctlBuffer = libc.func('int ioctl(int fd, unsigned long request, _Inout_ void *argument)');
export const mknod = libc.func('int mknod(const char *path, unsigned int mode, unsigned long device)');
export const umount2 = libc.func('int umount2(const char *target, int flags)');

export const CLONE_NEWNET = 0x4000_0000;

/** The number of the last failed call's error, such as 98 for EADDRINUSE. */
export const errno = (): number => koffi.errno();

/** An Error for the C call that just failed, with Node's own `code`, such as EADDRINUSE. */
export function callFailed(call: string, about: string): NodeJS.ErrnoException {
  const number = errno();
  const code =
    Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
  return Object.assign(new Error(`${call}: ${code}, ${about}`), { code, errno: number, syscall: call });
}

/** Where `ip netns` and everybody else keep the names of network namespaces. */
export const namespacePath = (namespace: string): string => `/run/netns/${namespace}`;

let home: number | undefined;

/** This thread's own network namespace, as a descriptor that stays open. */
function ownNamespace(): number {
  home ??= openSync('/proc/thread-self/ns/net', 'r');
  return home;
}

/** Puts this thread back where it belongs. Staying elsewhere would send the whole process's traffic there: abort. */
export function returnHome(): void {
  if (setns(ownNamespace(), CLONE_NEWNET) === 0) return;
  console.error(callFailed('setns', 'back to the own network namespace'));
  process.abort();
}

/** Runs `work` with this thread in a new, nameless network namespace. Synchronous, as for `inNamespace`. */
export function inNewNamespace<T>(work: () => T): T {
  ownNamespace();
  if (unshare(CLONE_NEWNET) !== 0) throw callFailed('unshare', 'a new network namespace');
  try {
    return work();
  } finally {
    returnHome();
  }
}

/**
 * Runs `work` with this thread inside a network namespace and comes back, also when `work` throws. `work` must be
 * synchronous: a namespace belongs to the thread, and whatever else runs on it before the way back would be in it too.
 * Throws ENOENT when there is no such namespace, EPERM without CAP_SYS_ADMIN.
 */
export function inNamespace<T>(namespace: string, work: () => T): T {
  ownNamespace();
  const target = openSync(namespacePath(namespace), 'r');
  try {
    if (setns(target, CLONE_NEWNET) !== 0) throw callFailed('setns', namespace);
  } finally {
    closeSync(target);
  }
  try {
    return work();
  } finally {
    returnHome();
  }
}
