/** Tracked connections of a namespace, by netlink: to forget those of an address that has moved. */
import {
  attribute,
  attributesOf,
  ipv4,
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
 * The places that find every flow of an address: whoever began it is the original source; whoever answers is the
 * source of the reply; an address translated to is the reply's destination, one translated from the original's.
 */
const PLACES: readonly Place[] = [
  { tuple: 1, field: 1 },
  { tuple: 2, field: 1 },
  { tuple: 2, field: 2 },
  { tuple: 1, field: 2 },
];

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
 * Forgets every flow in a namespace (absent: this machine's own) that has one of `addresses` at either end, before or
 * after translation. Returns how many.
 */
export function forgetFlows(namespace: string | undefined, addresses: Iterable<string>): number {
  let forgotten = 0;
  let netlink: Netlink | undefined;
  try {
    for (const address of addresses) {
      netlink ??= openNetlink(namespace, NETLINK_NETFILTER);
      for (const body of PLACES.flatMap((place) => flowsAt(netlink!, address, place))) {
        const original = attributesOf(body, 4).get(CTA_TUPLE_ORIG);
        if (!original) continue;
        const request = Buffer.concat([NFGENMSG, attribute(CTA_TUPLE_ORIG | NESTED, original)]);
        if (netlink.attempt(CTNETLINK | IPCTNL_MSG_CT_DELETE, 0, request, 'forget flow', 'ENOENT'))
          forgotten++;
      }
    }
    return forgotten;
  } finally {
    netlink?.close();
  }
}
