/** The kernel's calls for mounting by descriptors, and those to do so in another mount namespace. glibc has them since 2.36. */
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');

export const setns = libc.func('int setns(int fd, int nstype)');
export const fchdir = libc.func('int fchdir(int fd)');
export const fstatfs = libc.func('int fstatfs(int fd, _Out_ void *buffer)');
export const fsopen = libc.func('int fsopen(const char *type, unsigned int flags)');
export const fspick = libc.func('int fspick(int directory, const char *path, unsigned int flags)');
export const fsconfig = libc.func(
  'int fsconfig(int fd, unsigned int command, const char *key, const char *value, int auxiliary)',
);
export const fsmount = libc.func('int fsmount(int fd, unsigned int flags, unsigned int attributes)');
export const moveMount = libc.func(
  'int move_mount(int from, const char *fromPath, int to, const char *toPath, unsigned int flags)',
);
export const mountSetattr = libc.func(
  'int mount_setattr(int directory, const char *path, unsigned int flags, const void *attributes, size_t size)',
);
