/** Arithmetic on IPv4 addresses and CIDRs. */
import { isIPv4 } from 'node:net';

export function toNumber(address: string): number {
  if (!isIPv4(address)) throw new TypeError(`${address} is not an IPv4 address`);
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

export const toAddress = (number: number): string =>
  [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');

export interface Cidr {
  readonly first: number;
  readonly prefix: number;
  readonly size: number;
}

/** Throws a TypeError on anything but `a.b.c.d/n`. Bits behind the prefix are cleared, as AWS does. */
export function parseCidr(cidr: string): Cidr {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(cidr);
  const prefix = Number(match?.[2]);
  if (!match || prefix > 32) throw new TypeError(`${cidr} is not an IPv4 CIDR`);
  const size = 2 ** (32 - prefix);
  return { first: Math.floor(toNumber(match[1]!) / size) * size, prefix, size };
}

/** The CIDR in its one canonical form. */
export function canonical(cidr: string): string {
  const { first, prefix } = parseCidr(cidr);
  return `${toAddress(first)}/${prefix}`;
}

/** The `offset`th address of a CIDR; negative counts from its end. */
export function addressAt(cidr: string, offset: number): string {
  const { first, size } = parseCidr(cidr);
  return toAddress(first + (offset < 0 ? size + offset : offset));
}
