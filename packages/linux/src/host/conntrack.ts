/** Tracked connections of a namespace, by netlink: to forget those of an address that has moved. */
import { readFileSync } from 'node:fs';
import { inNamespace } from './libc.ts';
import {
  attribute,
  attributesOf,
  ipv4,
  ipv4Text,
  NETLINK_NETFILTER,
  type Netlink,
  nested,
  openNetlink,
  u32,
} from './netlink.ts';

const AF_INET = 2;
const CTNETLINK = 1 << 8;
const [IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE] = [1, 2];
const [CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_FILTER] = [1, 2, 25];
const CTA_TUPLE_IP = 1;
const NESTED = 0x8000;
const NFGENMSG = Buffer.from([AF_INET, 0, 0, 0]);

/** Where in a flow an address stands: its tuple (original or reply), and the field in it (source or destination). */
interface Place {
  readonly tuple: 1 | 2;
  readonly field: 1 | 2;
}

/**
 * Where a private address stands: whoever began a flow is its original source, whoever answers is the reply's. A public
 * one is what a flow from outside was sent to, or what the answers to a flow from inside are sent to.
 */
const PLACES: Readonly<Record<'private' | 'public', readonly Place[]>> = {
  private: [
    { tuple: 1, field: 1 },
    { tuple: 2, field: 1 },
  ],
  public: [
    { tuple: 1, field: 2 },
    { tuple: 2, field: 2 },
  ],
};

/** With more flows than this the kernel picks those that are meant; up to here it is quicker to look at them all. */
const MANY = 1_000;

/** All flows of the namespace that have one of the addresses in one of the places: one walk through the kernel's table. */
function flowsAmong(netlink: Netlink, addresses: readonly string[], places: readonly Place[]): Buffer[] {
  const wanted = new Set(addresses);
  return netlink.dump(CTNETLINK | IPCTNL_MSG_CT_GET, NFGENMSG).filter((body) => {
    const flow = attributesOf(body, 4);
    return places.some(({ tuple, field }) => {
      const ends = attributesOf(flow.get(tuple) ?? Buffer.alloc(0), 0).get(CTA_TUPLE_IP);
      const address = attributesOf(ends ?? Buffer.alloc(0), 0).get(field);
      return address !== undefined && wanted.has(ipv4Text(address));
    });
  });
}

const flowCount = (namespace: string): number =>
  inNamespace(namespace, () => Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_count', 'utf8')));

/** Lets the kernel pick the flows, of which a busy router has a hundred thousand. Since Linux 5.8. */
function flowsAt(netlink: Netlink, address: string, { tuple, field }: Place): Buffer[] {
  const request = Buffer.concat([
    NFGENMSG,
    nested(tuple | NESTED, nested(CTA_TUPLE_IP | NESTED, attribute(field, ipv4(address)))),
    nested(
      CTA_FILTER | NESTED,
      attribute(CTA_TUPLE_ORIG, u32(tuple === CTA_TUPLE_ORIG ? field : 0)),
      attribute(CTA_TUPLE_REPLY, u32(tuple === CTA_TUPLE_REPLY ? field : 0)),
    ),
  ]);
  return netlink.dump(CTNETLINK | IPCTNL_MSG_CT_GET, request);
}

/**
 * Forgets every flow in a router that has one of these private or public addresses. Returns how many. The kernel's table is
 * one for all namespaces, and each walk through it takes some ten milliseconds.
 */
export function forgetFlows(
  namespace: string,
  kind: 'private' | 'public',
  addresses: readonly string[],
): number {
  const tracked = addresses.length === 0 ? 0 : flowCount(namespace);
  if (tracked === 0) return 0;
  const netlink = openNetlink(namespace, NETLINK_NETFILTER);
  try {
    let forgotten = 0;
    const flows =
      tracked > MANY
        ? addresses.flatMap((address) => PLACES[kind].flatMap((place) => flowsAt(netlink, address, place)))
        : flowsAmong(netlink, addresses, PLACES[kind]);
    for (const body of flows) {
      const original = attributesOf(body, 4).get(CTA_TUPLE_ORIG);
      if (!original) continue;
      const request = Buffer.concat([NFGENMSG, attribute(CTA_TUPLE_ORIG | NESTED, original)]);
      if (netlink.attempt(CTNETLINK | IPCTNL_MSG_CT_DELETE, 0, request, 'forget flow', 'ENOENT')) forgotten++;
    }
    return forgotten;
  } finally {
    netlink.close();
  }
}
