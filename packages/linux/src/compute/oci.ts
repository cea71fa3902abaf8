/**
 * The OCI configuration with which systemd boots as in a virtual machine: its own process, mount, network and cgroup
 * namespaces, root with the capabilities that administering one's own machine takes, and none that reach the host's
 * kernel settings, clock, modules or devices. The kernel is shared: this is no boundary against a hostile tenant.
 */
import { constants } from 'node:os';
import type { MachineSpec } from '@holdfast/region/drivers/compute.ts';
import { mayGive, openFilesLimit } from '../host/process.ts';
import { machineDevices } from './cgroups.ts';
import type { MachinePaths } from './record.ts';

/**
 * What a machine's root may do, with the kernel's numbers: <linux/capability.h>. Not among them, each for a way out that
 * it was: CAP_SYS_ADMIN (a /proc of one's own has the host's core_pattern, which runs a program on the host; an ioctl on
 * a file bound in from the host stops its file system), CAP_DAC_READ_SEARCH (any file of a file system by its handle, from
 * one file of it), CAP_LINUX_IMMUTABLE (files that the host could not remove), CAP_MKNOD (other machines' volumes). The
 * price: it mounts nothing itself but asks the host to (its volumes), and the hostname is the one given, as in containers
 * elsewhere. systemd leaves sandboxes out that it cannot set up.
 */
const capabilityNumbers: Readonly<Record<string, number>> = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_FOWNER: 3,
  CAP_FSETID: 4,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_SETPCAP: 8,
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_BROADCAST: 11,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_IPC_LOCK: 14,
  CAP_IPC_OWNER: 15,
  CAP_SYS_CHROOT: 18,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_BOOT: 22,
  CAP_SYS_NICE: 23,
  CAP_SYS_RESOURCE: 24,
  CAP_SYS_TTY_CONFIG: 26,
  CAP_LEASE: 28,
  CAP_AUDIT_WRITE: 29,
  CAP_SETFCAP: 31,
};

const mounts = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'nodev', 'mode=1777'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  {
    destination: '/sys/fs/cgroup',
    type: 'cgroup2',
    source: 'cgroup2',
    options: ['nosuid', 'noexec', 'nodev', 'relatime', 'rw'],
  },
  {
    destination: '/run',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', 'mode=755', 'size=20%'],
  },
  {
    destination: '/run/lock',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', 'noexec', 'size=5m'],
  },
  {
    destination: '/tmp',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', 'mode=1777', 'size=50%'],
  },
];

/** <linux/fs.h>, the first as a 64-bit program asks for it. */
const [BLKBSZSET, BLKFLSBUF] = [0x4008_1271, 0x1261];

/**
 * Keyrings belong to a user of the whole machine, not to a namespace: root's in an instance are root's outside, with its
 * Kerberos tickets and the keys of its encrypted disks. For a machine they are not there, as in a kernel without them.
 * Both word sizes are named, since a program of the other one would otherwise be killed at its first call.
 */
const seccomp = {
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures:
    process.arch === 'arm64'
      ? ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']
      : ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  syscalls: [
    {
      names: ['add_key', 'keyctl', 'request_key'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: constants.errno.ENOSYS,
    },
    // How a device's own pages are cut, and that they be written out now, which the last close of it does as well:
    // mkfs.xfs gives up without these two, and the kernel wants CAP_SYS_ADMIN for them. They are said to be done.
    ...[BLKBSZSET, BLKFLSBUF].map((request) => ({
      names: ['ioctl'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: 0,
      args: [{ index: 1, value: 0xffff_ffff, valueTwo: request, op: 'SCMP_CMP_MASKED_EQ' }],
    })),
    {
      // What can be asked of a loop device (0x4c..) may whoever has it open: to let go of its file, so that the number
      // becomes another's, or to take another part of it. The kernel looks at no more than 32 bits of the request.
      names: ['ioctl'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: constants.errno.EPERM,
      args: [{ index: 1, value: 0xffff_ff00, valueTwo: 0x4c00, op: 'SCMP_CMP_MASKED_EQ' }],
    },
  ],
};

const initCommands = {
  systemd: ['/sbin/init'],
  nano: ['/usr/bin/tini', '-g', '--', '/usr/lib/holdfast/nano-init'],
} as const;

/** What runc is told of one boot of one machine. */
export interface BootSettings {
  readonly machine: MachineSpec;
  readonly paths: MachinePaths;
  readonly cgroupPath: string;
  readonly processes: number;
  /** The host's terminal that is the machine's console, `/dev/pts/<n>`. */
  readonly terminal: string;
}

export function ociConfiguration(boot: BootSettings): object {
  const { machine, paths } = boot;
  const capabilities = Object.keys(capabilityNumbers).filter((name) => mayGive(capabilityNumbers[name]!));
  const bind = (destination: string, source: string, ...options: string[]) => ({
    destination,
    type: 'bind',
    source,
    options: ['bind', ...options],
  });
  return {
    ociVersion: '1.0.2',
    hostname: machine.hostname,
    root: { path: paths.rootfs, readonly: false },
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      cwd: '/',
      noNewPrivileges: false,
      args: initCommands[machine.init],
      env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'container=holdfast',
        'TERM=vt220',
      ],
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [],
        ambient: [],
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: openFilesLimit(524_288), soft: 1_024 }],
    },
    mounts: [
      bind('/dev', paths.dev, 'nosuid'),
      ...mounts,
      // In /dev because systemd leaves mounts there alone when it shuts down.
      bind('/dev/console', boot.terminal),
      bind('/dev/holdfast-end', paths.endMarker),
      bind('/dev/holdfast', paths.requests, 'ro'),
      bind('/sys/block', paths.blockView, 'ro'),
      bind('/sys/class/block', paths.blockView, 'ro'),
      bind('/sys/dev/block', paths.blockNumbers, 'ro'),
    ],
    linux: {
      cgroupsPath: boot.cgroupPath,
      resources: {
        memory: { limit: machine.memoryBytes },
        cpu: { quota: Math.round(machine.vcpus * 100_000), period: 100_000 },
        pids: { limit: boot.processes },
        devices: [
          { allow: false, access: 'rwm' },
          ...machineDevices.map(([type, major, minor]) => ({
            allow: true,
            type,
            major,
            ...(minor === '*' ? {} : { minor }),
            access: 'rwm',
          })),
        ],
      },
      seccomp,
      namespaces: [
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        { type: 'cgroup' },
        { type: 'network', path: `/run/netns/${machine.namespace}` },
      ],
      maskedPaths: [
        '/proc/kcore',
        '/proc/keys',
        '/proc/latency_stats',
        '/proc/partitions',
        '/proc/sched_debug',
        '/proc/scsi',
        '/proc/sysrq-trigger',
        '/proc/timer_list',
        '/sys/devices/virtual/block',
        '/sys/firmware',
      ],
      readonlyPaths: [
        '/proc/bus',
        '/proc/fs',
        '/proc/irq',
        '/proc/sys/abi',
        '/proc/sys/debug',
        '/proc/sys/dev',
        '/proc/sys/kernel',
        '/proc/sys/user',
        '/proc/sys/fs',
        '/proc/sys/vm',
      ],
    },
  };
}
