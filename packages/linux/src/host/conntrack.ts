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
 * Forgets every flow in a router that has one of these private or public addresses. Returns how many. The kernel walks
 * its whole table for each address and place, which takes some ten milliseconds.
 */
export function forgetFlows(
  namespace: string,
  kind: 'private' | 'public',
  addresses: readonly string[],
): number {
  if (addresses.length === 0) return 0;
  const netlink = openNetlink(namespace, NETLINK_NETFILTER);
  try {
    let forgotten = 0;
    const flows = addresses.flatMap((address) =>
      PLACES[kind].flatMap((place) => flowsAt(netlink, address, place)),
    );
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
