/** IPv4 addresses and blocks as numbers, so that they can be compared and counted. */

/** A block of addresses: its first one as an unsigned 32-bit number, and the length of its prefix. */
export interface Cidr {
  readonly base: number;
  readonly prefix: number;
}

/**
 * The address as an unsigned 32-bit number; undefined when `text` is not four decimal octets. One that begins with a zero
 * is none: others would read it as octal.
 */
export function parseAddress(text: string): number | undefined {
  if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text)) return undefined;
  const octets = text.split('.').map(Number);
  if (octets.some((octet) => octet > 255)) return undefined;
  return octets.reduce((number, octet) => number * 256 + octet, 0);
}

export const formatAddress = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

/** How many addresses a prefix of this length leaves. */
const count = (prefix: number): number => 2 ** (32 - prefix);

/**
 * The block that `text` lies in: bits behind the prefix are cleared, as AWS does (`10.0.0.7/24` is `10.0.0.0/24`).
 * Undefined when it is no IPv4 CIDR.
 */
export function parseCidr(text: string): Cidr | undefined {
  const parts = /^([\d.]+)\/(\d{1,2})$/.exec(text);
  const address = parseAddress(parts?.[1] ?? '');
  const prefix = Number(parts?.[2]);
  if (address === undefined || prefix > 32) return undefined;
  return { base: address - (address % count(prefix)), prefix };
}

export const formatCidr = (cidr: Cidr): string => `${formatAddress(cidr.base)}/${cidr.prefix}`;

export const sizeOf = (cidr: Cidr): number => count(cidr.prefix);

/** The last address of the block. */
export const lastOf = (cidr: Cidr): number => cidr.base + sizeOf(cidr) - 1;

export const holds = (outer: Cidr, inner: Cidr): boolean =>
  outer.base <= inner.base && lastOf(inner) <= lastOf(outer);

export const holdsAddress = (cidr: Cidr, address: number): boolean =>
  cidr.base <= address && address <= lastOf(cidr);

export const overlaps = (a: Cidr, b: Cidr): boolean => a.base <= lastOf(b) && b.base <= lastOf(a);

/** A CIDR that the region itself wrote; anything else there is a fault of ours. */
export function cidrOf(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw new Error(`'${text}' is no IPv4 CIDR`);
  return cidr;
}
