/**
 * What a VPC's router enforces, as one nftables table. Pure: the same topology gives the same table.
 *
 * A packet's way through the router, in the order of the hooks:
 *   entry       cut links and spoofed sources drop; a mark names the subnet, by which its route table is chosen
 *   gateway-in  from the internet: public address → private address
 *   checked     the destination check: an interface gets only what is addressed to it, unless the check is off;
 *               answers of public addresses leave by the internet gateway or not at all
 *   acl-out/in  network ACLs at the subnets' borders, stateless; not for traffic inside one subnet
 *   egress      the sender's security groups; flows once allowed are tracked, as AWS tracks them
 *   ingress     the receiver's security groups
 *   gateway-out towards the internet: private address → public address
 *   exit        cut links
 * Each is a base chain of its own, because `accept` ends only the chain it stands in.
 */
import { createHash } from 'node:crypto';
import type {
  NetworkAclEntry,
  SecurityGroupRule,
  TrafficMatch,
  VpcTopology,
} from '@holdfast/region/drivers/network.ts';
import { type HostLayout, linkName, serviceAddresses } from '../layout.ts';
import { addressAt, canonical } from './ipv4.ts';
import { attachedInterfaces, INTERNET_LINK, subnetMark } from './plan-links.ts';
import type { Chain, ElementSet, Ruleset } from './ruleset.ts';

export const ROUTER_TABLE = 'vpc';
/** The port on which the region's API answers inside a VPC. */
export const API_PORT = 4566;

const [ICMP, TCP, UDP] = [1, 6, 17];

/** Ids become names in nft's language: nothing else may get in there. */
function safe(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,80}$/.test(id)) throw new TypeError(`${JSON.stringify(id)} is not an id`);
  return id;
}

/** Words that select `match`'s traffic; none for all traffic. */
function traffic(match: TrafficMatch): string[] {
  const { protocol, ports, icmp } = match;
  if (protocol === -1) return [];
  if (!Number.isInteger(protocol) || protocol < 0 || protocol > 255)
    throw new RangeError(`protocol ${protocol}`);
  if (protocol === TCP || protocol === UDP) {
    const name = protocol === TCP ? 'tcp' : 'udp';
    if (!ports || (ports.from <= 0 && ports.to === 65_535)) return [`meta l4proto ${name}`];
    return [`${name} dport ${Number(ports.from)}-${Number(ports.to)}`];
  }
  if (protocol === ICMP && icmp && icmp.type !== -1) {
    const code = icmp.code === -1 ? [] : [`icmp code ${Number(icmp.code)}`];
    return [`icmp type ${Number(icmp.type)}`, ...code];
  }
  return [`meta l4proto ${protocol}`];
}

/** Words that select the other side of a rule: `field` is `ip saddr` or `ip daddr`. */
function cidrMatch(field: string, cidr: string): string[] {
  const network = canonical(cidr);
  return network === '0.0.0.0/0' ? [] : [`${field} ${network}`];
}

function groupRule(rule: SecurityGroupRule, field: string): string {
  const peer =
    'cidr' in rule.peer
      ? cidrMatch(field, rule.peer.cidr)
      : [`${field} @members-${safe(rule.peer.securityGroupId)}`];
  return [...peer, ...traffic(rule), 'accept'].join(' ');
}

const aclRules = (entries: readonly NetworkAclEntry[], field: string): string[] => [
  ...entries
    .toSorted((a, b) => a.ruleNumber - b.ruleNumber)
    .map((entry) =>
      [...cidrMatch(field, entry.cidr), ...traffic(entry), entry.action === 'allow' ? 'accept' : 'drop'].join(
        ' ',
      ),
    ),
  'drop',
];

/** One chain for each set of security groups that interfaces have: a few, where there may be hundreds of interfaces. */
const groupSetName = (direction: 'egress' | 'ingress', ids: readonly string[]): string =>
  `${direction}-${createHash('sha256').update(ids.toSorted().join()).digest('hex').slice(0, 16)}`;

const quoted = (link: string): string => `"${link}"`;

/** Collects the table's parts. */
interface Draft {
  readonly sets: Map<string, { type: string; elements: Map<string, string> }>;
  readonly chains: Map<string, Chain>;
}

function setOf(draft: Draft, name: string, type: string): Map<string, string> {
  const known = draft.sets.get(name);
  if (known) return known.elements;
  const elements = new Map<string, string>();
  draft.sets.set(name, { type, elements });
  return elements;
}

const baseChains: readonly [string, Chain][] = [
  [
    'entry',
    {
      hook: 'type filter hook prerouting priority -300; policy drop;',
      rules: [
        'iifname @cut drop',
        `iifname { "lo", "${INTERNET_LINK}" } meta protocol ip accept`,
        'meta protocol != ip drop',
        'iifname @unchecked meta mark set iifname map @subnet-mark accept',
        'iifname . ip saddr @own meta mark set iifname map @subnet-mark accept',
      ],
    },
  ],
  [
    'gateway-in',
    {
      hook: 'type nat hook prerouting priority -100; policy accept;',
      rules: [`iifname "${INTERNET_LINK}" dnat ip to ip daddr map @private-of`],
    },
  ],
  [
    'checked',
    {
      hook: 'type filter hook forward priority -70; policy drop;',
      rules: [
        `oifname "${INTERNET_LINK}" accept`,
        // The answer of a public address goes back the way it was asked. Where the subnet's route leads elsewhere, to a
        // NAT gateway for example, it is lost on AWS, and must not be taken for the public address's own in here.
        'ct status dnat ct direction reply drop',
        'oifname @unchecked accept',
        'oifname . ip daddr @own accept',
      ],
    },
  ],
  [
    'acl-out',
    { hook: 'type filter hook forward priority -60; policy accept;', rules: ['iifname vmap @subnet-out'] },
  ],
  [
    'acl-in',
    { hook: 'type filter hook forward priority -50; policy accept;', rules: ['oifname vmap @subnet-in'] },
  ],
  [
    'egress',
    {
      hook: 'type filter hook forward priority 0; policy drop;',
      rules: [
        'ct state established,related accept',
        `iifname "${INTERNET_LINK}" ct status dnat accept`,
        'iifname @nat-gateways accept',
        'iifname vmap @interface-egress',
      ],
    },
  ],
  [
    'ingress',
    {
      hook: 'type filter hook forward priority 10; policy drop;',
      rules: [
        'ct state established,related accept',
        `oifname "${INTERNET_LINK}" ip saddr @with-public accept`,
        'oifname @nat-gateways accept',
        'oifname vmap @interface-ingress',
      ],
    },
  ],
  [
    'gateway-out',
    {
      hook: 'type nat hook postrouting priority 100; policy accept;',
      rules: [`oifname "${INTERNET_LINK}" snat ip to ip saddr map @public-of`],
    },
  ],
  [
    'exit',
    { hook: 'type filter hook postrouting priority 400; policy accept;', rules: ['oifname @cut drop'] },
  ],
  [
    // To the router itself: its services, and nothing from outside.
    'services',
    {
      hook: 'type filter hook input priority 0; policy drop;',
      rules: [
        'iifname "lo" accept',
        `iifname "${INTERNET_LINK}" drop`,
        'ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept',
        `ip daddr ${serviceAddresses.metadata} tcp dport 80 accept`,
        `ip daddr ${serviceAddresses.api} tcp dport ${API_PORT} accept`,
        'ip daddr @gateways icmp type echo-request accept',
        'ct state established,related accept',
      ],
    },
  ],
];

const baseSets: readonly [string, string][] = [
  ['cut', 'type ifname'],
  ['own', 'type ifname . ipv4_addr'],
  ['unchecked', 'type ifname'],
  ['nat-gateways', 'type ifname'],
  ['gateways', 'type ipv4_addr'],
  ['resolvers', 'type ipv4_addr'],
  ['with-public', 'type ipv4_addr'],
  ['subnet-mark', 'type ifname : mark'],
  ['private-of', 'type ipv4_addr : ipv4_addr'],
  ['public-of', 'type ipv4_addr : ipv4_addr'],
  ['subnet-out', 'type ifname : verdict'],
  ['subnet-in', 'type ifname : verdict'],
  ['interface-egress', 'type ifname : verdict'],
  ['interface-ingress', 'type ifname : verdict'],
];

/** The public address's two directions; a private address has one public address, and the other way round. */
function addPublic(draft: Draft, privateAddress: string, publicAddress: string | undefined): void {
  if (publicAddress === undefined) return;
  setOf(draft, 'private-of', '').set(publicAddress, privateAddress);
  setOf(draft, 'public-of', '').set(privateAddress, publicAddress);
  setOf(draft, 'with-public', '').set(privateAddress, '');
}

function addSubnets(draft: Draft, topology: VpcTopology): void {
  for (const acl of topology.networkAcls) {
    draft.chains.set(`out-${safe(acl.networkAclId)}`, { rules: aclRules(acl.egress, 'ip daddr') });
    draft.chains.set(`in-${safe(acl.networkAclId)}`, { rules: aclRules(acl.ingress, 'ip saddr') });
  }
  const known = new Set(topology.networkAcls.map((acl) => acl.networkAclId));
  for (const { subnetId, networkAclId, cidr } of topology.subnets) {
    if (!known.has(networkAclId)) throw new Error(`${subnetId}: no network ACL ${networkAclId}`);
    setOf(draft, `links-${safe(subnetId)}`, 'type ifname');
    draft.chains.set(`out-${subnetId}`, {
      rules: [`oifname @links-${subnetId} accept`, `goto out-${networkAclId}`],
    });
    draft.chains.set(`in-${subnetId}`, {
      rules: [`iifname @links-${subnetId} accept`, `goto in-${networkAclId}`],
    });
    setOf(draft, 'gateways', '').set(addressAt(cidr, 1), '');
  }
  const resolvers = setOf(draft, 'resolvers', '');
  resolvers.set(serviceAddresses.resolver, '');
  for (const cidr of topology.cidrs) resolvers.set(addressAt(cidr, 2), '');
}

/** What every link into a subnet has, be it an interface's or a NAT gateway's. */
function addLink(draft: Draft, topology: VpcTopology, link: string, id: string, subnetId: string): void {
  setOf(draft, 'subnet-mark', '').set(link, String(subnetMark(topology, subnetId)));
  setOf(draft, 'subnet-out', '').set(link, `goto out-${subnetId}`);
  setOf(draft, 'subnet-in', '').set(link, `goto in-${subnetId}`);
  const members = draft.sets.get(`links-${subnetId}`);
  if (!members) throw new Error(`${id}: no subnet ${subnetId}`);
  members.elements.set(link, '');
  if (topology.cut.includes(id)) setOf(draft, 'cut', '').set(link, '');
}

function addSecurityGroups(draft: Draft, topology: VpcTopology): void {
  for (const { securityGroupId, ingress, egress } of topology.securityGroups) {
    const id = safe(securityGroupId);
    draft.chains.set(`from-${id}`, { rules: egress.map((rule) => groupRule(rule, 'ip daddr')) });
    draft.chains.set(`to-${id}`, { rules: ingress.map((rule) => groupRule(rule, 'ip saddr')) });
    for (const { peer } of [...ingress, ...egress]) {
      if ('securityGroupId' in peer) setOf(draft, `members-${safe(peer.securityGroupId)}`, 'type ipv4_addr');
    }
  }
}

function addInterfaces(draft: Draft, topology: VpcTopology, layout: HostLayout): void {
  const groups = new Set(topology.securityGroups.map((group) => group.securityGroupId));
  for (const networkInterface of attachedInterfaces(topology)) {
    const { interfaceId, securityGroupIds, addresses } = networkInterface;
    const missing = securityGroupIds.find((id) => !groups.has(id));
    if (missing !== undefined) throw new Error(`${interfaceId}: no security group ${missing}`);
    const link = quoted(linkName(layout, interfaceId));
    addLink(draft, topology, link, interfaceId, networkInterface.subnetId);
    if (!networkInterface.sourceDestCheck) setOf(draft, 'unchecked', '').set(link, '');
    for (const address of addresses) {
      setOf(draft, 'own', '').set(`${link} . ${address.private}`, '');
      addPublic(draft, address.private, address.public);
      for (const id of securityGroupIds) draft.sets.get(`members-${id}`)?.elements.set(address.private, '');
    }
    for (const [direction, way] of [['egress', 'from'] as const, ['ingress', 'to'] as const]) {
      const name = groupSetName(direction, securityGroupIds);
      if (!draft.chains.has(name)) {
        draft.chains.set(name, { rules: [...securityGroupIds.map((id) => `jump ${way}-${id}`), 'drop'] });
      }
      setOf(draft, `interface-${direction}`, '').set(link, `goto ${name}`);
    }
  }
}

/** The table of `topology`'s router. Throws when it names a subnet, group or network ACL that it does not contain. */
export function planNftables(topology: VpcTopology, layout: HostLayout): Ruleset {
  const draft: Draft = { sets: new Map(), chains: new Map(baseChains) };
  for (const [name, type] of baseSets) setOf(draft, name, type);
  addSubnets(draft, topology);
  addSecurityGroups(draft, topology);
  addInterfaces(draft, topology, layout);
  for (const { natGatewayId, subnetId, privateAddress, publicAddress } of topology.natGateways) {
    const link = quoted(linkName(layout, natGatewayId));
    addLink(draft, topology, link, natGatewayId, subnetId);
    // It passes on what comes from elsewhere: neither its source nor its destination can be checked.
    setOf(draft, 'unchecked', '').set(link, '');
    setOf(draft, 'nat-gateways', '').set(link, '');
    addPublic(draft, privateAddress, publicAddress);
  }
  const sets: ReadonlyMap<string, ElementSet> = draft.sets;
  return { table: ROUTER_TABLE, sets, chains: draft.chains };
}

export const NAT_TABLE = 'nat-gateway';

/**
 * A NAT gateway's own table. It translates what the VPC sends through it to its own private address (the router makes
 * the public one of that) and accepts nothing that it has not been asked for, neither for itself nor to pass on.
 */
export function natGatewayTable(privateAddress: string): string {
  return [
    `add table inet ${NAT_TABLE}`,
    `delete table inet ${NAT_TABLE}`,
    `table inet ${NAT_TABLE} {`,
    '  chain input { type filter hook input priority 0; policy drop; }',
    '  chain source { type nat hook postrouting priority 100; policy accept;',
    `    oifname "eth0" snat ip to ${privateAddress}`,
    '  }',
    '}',
    '',
  ].join('\n');
}
