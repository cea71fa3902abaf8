/**
 * Where one region's things stand on this machine. All names that a region gives to the machine (namespaces, links,
 * cgroups, tables, folders) are made here and begin with its prefix, so that two regions do not meet and what one left
 * behind can be found.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';

export interface HostLayout {
  /** Two to four lower-case letters or digits; `hf` by default. Tests use their own. */
  readonly prefix: string;
  /** What must survive a reboot of this machine: the store, disks, image layers. */
  readonly stateDirectory: string;
  /** What must not: sockets, pids, generated configuration. */
  readonly runDirectory: string;
  /** Base images, built once and shared by all regions of this machine. */
  readonly cacheDirectory: string;
  /** The public addresses of this region: a CIDR inside 198.18.0.0/15, which nobody routes. */
  readonly publicCidr: string;
}

export const isPrefix = (word: string): boolean => /^[a-z][a-z0-9]{1,3}$/.test(word);

export function hostLayout(options: Partial<HostLayout> = {}): HostLayout {
  const prefix = options.prefix ?? 'hf';
  if (!isPrefix(prefix)) throw new Error(`prefix ${prefix}: two to four lower-case letters or digits`);
  const name = prefix === 'hf' ? 'holdfast' : `holdfast-${prefix}`;
  return {
    prefix,
    stateDirectory: options.stateDirectory ?? join('/var/lib', name),
    runDirectory: options.runDirectory ?? join('/run', name),
    cacheDirectory: options.cacheDirectory ?? '/var/cache/holdfast',
    publicCidr: options.publicCidr ?? '198.18.0.0/16',
  };
}

/** The namespace of a VPC's router. */
export const routerNamespace = (layout: HostLayout, vpcId: string): string => `${layout.prefix}-${vpcId}`;

/** The namespace that stands for the internet between the VPCs and this machine. */
export const internetNamespace = (layout: HostLayout): string => `${layout.prefix}-inet`;

/** The namespace of an instance or of a load balancer node. */
export const endpointNamespace = (layout: HostLayout, id: string): string => `${layout.prefix}-${id}`;

/** A link name: at most 15 characters, the same for the same id. */
export const linkName = (layout: HostLayout, id: string): string =>
  `${layout.prefix}${createHash('sha256')
    .update(id)
    .digest('hex')
    .slice(0, 15 - layout.prefix.length)}`;

/** The cgroup below each controller under which every instance of this region stands. */
export const cgroupParent = (layout: HostLayout): string =>
  layout.prefix === 'hf' ? 'holdfast' : `holdfast-${layout.prefix}`;

/** Link-local addresses on which every VPC's router answers. */
export const serviceAddresses = {
  metadata: '169.254.169.254',
  resolver: '169.254.169.253',
  api: '169.254.169.252',
} as const;
