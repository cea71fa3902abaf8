/**
 * The options with which a machine may have one of its volumes mounted: mount(8), ext4(5), xfs(5). What is not named here
 * is refused by name.
 */

export const mountableTypes = ['ext2', 'ext3', 'ext4', 'xfs'] as const;
export type MountableType = (typeof mountableTypes)[number];

/** How a volume is mounted. */
export interface MountSettings {
  /** MOUNT_ATTR_…: <linux/mount.h> */
  readonly attributes: number;
  /** Of the file system: a flag when it has no value. */
  readonly parameters: readonly (readonly [name: string, value: string | undefined])[];
  readonly readOnly: boolean;
  /** It is mounted already, and is only to be mounted otherwise. */
  readonly remount: boolean;
}

const RDONLY = 1;
const NOSUID = 2;
/** A device node on a volume would be whatever its number says, on this host: there is no way to have one. */
const NODEV = 4;
const NOEXEC = 8;
const NOATIME = 0x10;
const STRICTATIME = 0x20;
const NODIRATIME = 0x80;
const atime = NOATIME | STRICTATIME;

/** What each option sets and clears of the attributes. */
const attributeOptions: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  ro: [RDONLY, 0],
  rw: [0, RDONLY],
  nosuid: [NOSUID, 0],
  suid: [0, NOSUID],
  nodev: [0, 0],
  noexec: [NOEXEC, 0],
  exec: [0, NOEXEC],
  noatime: [NOATIME, atime],
  strictatime: [STRICTATIME, atime],
  relatime: [0, atime],
  atime: [0, atime],
  nodiratime: [NODIRATIME, 0],
  diratime: [0, NODIRATIME],
};

/** Read by mount(8) and systemd, in the machine. */
const forOthers = /^(defaults|auto|noauto|nofail|_netdev|remount|(x-|X-|comment=).*)$/;

const any = /^(sync|dirsync|lazytime)$/;
const ext =
  /^(data=(ordered|writeback|journal)|commit=\d{1,4}|(no)?discard|(no)?barrier|barrier=[01]|noload|norecovery|errors=(continue|remount-ro)|(no)?user_xattr|(no)?acl|(no)?delalloc|(no)?init_itable|journal_checksum|(no)?auto_da_alloc|stripe=\d{1,6})$/;
const xfs =
  /^(nouuid|inode(32|64)|largeio|nolargeio|noalign|swalloc|wsync|norecovery|(no)?discard|ikeep|noikeep|attr2|(logbufs|logbsize|allocsize|sunit|swidth)=\d{1,8}[kKmM]?)$/;

/** Negations of options that are not set in the first place. */
const nothing = /^(async|nolazytime|nomand|norelatime|nostrictatime)$/;

/** Throws with the name of what cannot be had. */
export function mountSettings(type: MountableType, options: string): MountSettings {
  let attributes = NODEV;
  const parameters = new Map<string, string | undefined>();
  const words = options.split(',').filter(Boolean);
  for (const word of words) {
    const change = attributeOptions[word];
    if (change) attributes = (attributes & ~change[1]) | change[0];
    else if (any.test(word) || (type === 'xfs' ? xfs : ext).test(word)) {
      const at = word.indexOf('=');
      parameters.set(at < 0 ? word : word.slice(0, at), at < 0 ? undefined : word.slice(at + 1));
    } else if (!forOthers.test(word) && !nothing.test(word))
      throw new Error(`the option ${word.slice(0, 64)} is not supported on a volume`);
  }
  // The volume's space comes from this host's disk, which gets back what is not used any more.
  if (!parameters.has('nodiscard')) parameters.set('discard', undefined);
  // One kernel for all machines: a volume and its copy have the same UUID, which XFS takes once otherwise.
  if (type === 'xfs') parameters.set('nouuid', undefined);
  // Whoever made the file system may have asked it to stop the kernel on an error (tune2fs -e panic).
  else if (parameters.get('errors') !== 'continue') parameters.set('errors', 'remount-ro');
  const readOnly = (attributes & RDONLY) !== 0;
  return { attributes, parameters: [...parameters], readOnly, remount: words.includes('remount') };
}
