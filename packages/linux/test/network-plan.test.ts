/** The network's plans: pure, so without root. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VpcTopology } from '@holdfast/region/drivers/network.ts';
import { hostLayout, linkName } from '../src/layout.ts';
import { hostTableText } from '../src/network/internet.ts';
import { addressAt, canonical, parseCidr } from '../src/network/ipv4.ts';
import { INTERFACES_TABLE, planLinks, subnetMark } from '../src/network/plan-links.ts';
import { planNftables } from '../src/network/plan-nftables.ts';
import { diff } from '../src/network/ruleset.ts';

const layout = hostLayout({ prefix: 'hfp' });

function vpc(change: Partial<VpcTopology> = {}): VpcTopology {
  return {
    vpcId: 'vpc-1',
    cidrs: ['10.0.0.0/16'],
    internetGateway: true,
    subnets: [
      { subnetId: 'subnet-1', cidr: '10.0.1.0/24', zone: 'a', routeTableId: 'rtb-1', networkAclId: 'acl-1' },
      { subnetId: 'subnet-2', cidr: '10.0.2.0/24', zone: 'b', routeTableId: 'rtb-1', networkAclId: 'acl-1' },
    ],
    routeTables: [
      {
        routeTableId: 'rtb-1',
        routes: [
          { destination: '10.0.0.0/16', target: { kind: 'local' } },
          { destination: '0.0.0.0/0', target: { kind: 'internet-gateway' } },
        ],
      },
    ],
    networkAcls: [
      {
        networkAclId: 'acl-1',
        ingress: [
          { ruleNumber: 200, action: 'allow', cidr: '0.0.0.0/0', protocol: -1 },
          { ruleNumber: 100, action: 'deny', cidr: '192.0.2.7/24', protocol: 6, ports: { from: 22, to: 22 } },
        ],
        egress: [],
      },
    ],
    securityGroups: [
      {
        securityGroupId: 'sg-1',
        ingress: [
          { protocol: 6, ports: { from: 80, to: 90 }, peer: { cidr: '0.0.0.0/0' } },
          { protocol: 1, icmp: { type: 8, code: -1 }, peer: { cidr: '10.0.0.0/8' } },
          { protocol: 17, peer: { securityGroupId: 'sg-1' } },
        ],
        egress: [{ protocol: -1, peer: { cidr: '0.0.0.0/0' } }],
      },
    ],
    interfaces: [networkInterface(1)],
    natGateways: [],
    cut: [],
    ...change,
  };
}

function networkInterface(n: number): VpcTopology['interfaces'][number] {
  return {
    interfaceId: `eni-${n}`,
    subnetId: 'subnet-1',
    macAddress: '02:00:00:00:00:01',
    addresses: [{ private: `10.0.1.1${n}`, public: `198.18.0.${n}` }],
    securityGroupIds: ['sg-1'],
    sourceDestCheck: true,
    attachment: { namespace: `hfp-i-${n}`, deviceIndex: 0 },
  };
}

const commands = (before: VpcTopology | undefined, after: VpcTopology): string[] =>
  diff(before && planNftables(before, layout), planNftables(after, layout))
    .split('\n')
    .filter((line) => line !== '');

test('CIDRs are read as AWS reads them', () => {
  assert.equal(canonical('192.0.2.7/24'), '192.0.2.0/24');
  assert.equal(canonical('0.0.0.0/0'), '0.0.0.0/0');
  assert.equal(addressAt('10.0.1.0/24', 1), '10.0.1.1');
  assert.equal(addressAt('10.0.1.0/24', -2), '10.0.1.254');
  assert.deepEqual(parseCidr('255.255.255.255/32'), { first: 4_294_967_295, prefix: 32, size: 1 });
  for (const wrong of ['10.0.0.0', '10.0.0.0/33', '10.0.0/8', 'a/8', '10.0.0.0/8; drop'])
    assert.throws(() => parseCidr(wrong), TypeError);
});

test('rules say protocol, ports, ICMP types, ranges and groups', () => {
  const { chains, sets } = planNftables(vpc(), layout);
  assert.deepEqual(chains.get('to-sg-1')?.rules, [
    'tcp dport 80-90 accept',
    'ip saddr 10.0.0.0/8 icmp type 8 accept',
    'ip saddr @members-sg-1 meta l4proto udp accept',
  ]);
  assert.deepEqual(chains.get('from-sg-1')?.rules, ['accept']);
  assert.deepEqual([...sets.get('members-sg-1')!.elements.keys()], ['10.0.1.11']);
});

test('network ACL entries stand in the order of their numbers, and what none matches is denied', () => {
  const { chains } = planNftables(vpc(), layout);
  assert.deepEqual(chains.get('in-acl-1')?.rules, [
    'ip saddr 192.0.2.0/24 tcp dport 22-22 drop',
    'accept',
    'drop',
  ]);
  assert.deepEqual(chains.get('out-acl-1')?.rules, ['drop']);
});

test('nothing changed is nothing to say', () => {
  assert.deepEqual(commands(vpc(), vpc()), []);
});

test('an added rule is one command, whatever the number of interfaces', () => {
  const [group] = vpc().securityGroups;
  const added = { protocol: 6, ports: { from: 443, to: 443 }, peer: { cidr: '0.0.0.0/0' } };
  const after = vpc({ securityGroups: [{ ...group!, ingress: [...group!.ingress, added] }] });
  assert.deepEqual(commands(vpc(), after), ['add rule inet vpc to-sg-1 tcp dport 443-443 accept']);
  assert.deepEqual(commands(after, vpc())[0], 'flush chain inet vpc to-sg-1');
});

test('a cut is one element, and so is its end', () => {
  const link = linkName(layout, 'eni-1');
  assert.deepEqual(commands(vpc(), vpc({ cut: ['eni-1'] })), [`add element inet vpc cut { "${link}" }`]);
  assert.deepEqual(commands(vpc({ cut: ['eni-1'] }), vpc()), [`delete element inet vpc cut { "${link}" }`]);
});

test('a group that goes is no longer jumped to when its chain is deleted', () => {
  const before = vpc();
  const after = vpc({ interfaces: [], securityGroups: [] });
  const said = commands(before, after);
  const at = (start: string): number => said.findIndex((line) => line.startsWith(start));
  assert.ok(at('delete element inet vpc interface-ingress') < at('delete chain inet vpc ingress-'));
  assert.ok(at('flush chain inet vpc ingress-') < at('delete chain inet vpc to-sg-1'));
  assert.ok(at('delete chain inet vpc to-sg-1') < at('delete set inet vpc members-sg-1'));
});

test('a new table takes the place of whatever is there, in the same transaction', () => {
  assert.deepEqual(commands(undefined, vpc()).slice(0, 3), [
    'add table inet vpc',
    'delete table inet vpc',
    'add table inet vpc',
  ]);
});

test('local routes fall through to the table of interfaces; a target that is gone is a blackhole', () => {
  const routes = [
    { destination: '10.0.0.0/16', target: { kind: 'local' } },
    { destination: '10.0.2.0/24', target: { kind: 'interface', interfaceId: 'eni-1' } },
    { destination: '0.0.0.0/0', target: { kind: 'nat-gateway', natGatewayId: 'nat-gone' } },
    { destination: '203.0.113.0/24', target: { kind: 'internet-gateway' } },
  ] as const;
  const plan = planLinks(vpc({ routeTables: [{ routeTableId: 'rtb-1', routes }] }), layout);
  const of = (destination: string) =>
    plan.routes.find((one) => one.destination === destination && one.table !== INTERFACES_TABLE);
  assert.equal(of('10.0.0.0/16')?.type, 'throw');
  assert.equal(of('10.0.2.0/24')?.link, linkName(layout, 'eni-1'));
  assert.equal(of('10.0.2.0/24')?.gateway, '10.0.1.11');
  assert.equal(of('0.0.0.0/0')?.type, 'blackhole');
  assert.equal(of('203.0.113.0/24')?.link, 'igw');
  assert.equal(of('169.254.0.0/16')?.type, 'blackhole');
});

test('a subnet keeps its mark when others come and go', () => {
  const [first, second] = vpc().subnets;
  const third = { ...second!, subnetId: 'subnet-0' };
  assert.equal(subnetMark(vpc(), 'subnet-1'), subnetMark(vpc({ subnets: [third, first!] }), 'subnet-1'));
});

test('what a topology names and does not contain is refused', () => {
  const [one] = vpc().interfaces;
  const [subnet] = vpc().subnets;
  assert.throws(
    () => planNftables(vpc({ interfaces: [{ ...one!, securityGroupIds: ['sg-9'] }] }), layout),
    /sg-9/,
  );
  assert.throws(
    () => planLinks(vpc({ interfaces: [{ ...one!, subnetId: 'subnet-9' }] }), layout),
    /subnet-9/,
  );
  assert.throws(() => planLinks(vpc({ subnets: [{ ...subnet!, routeTableId: 'rtb-9' }] }), layout), /rtb-9/);
  assert.throws(
    () => planNftables(vpc({ subnets: [{ ...subnet!, networkAclId: 'acl-9' }] }), layout),
    /acl-9/,
  );
});

test('an id that is more than an id does not get into the rules', () => {
  const [group] = vpc().securityGroups;
  const wrong = { ...group!, securityGroupId: 'sg-1 { }; drop' };
  assert.throws(() => planNftables(vpc({ securityGroups: [group!, wrong] }), layout), TypeError);
});

test("the host's table keeps private networks closed, but for what is allowed by name", () => {
  const text = hostTableText(layout, ['eth0'], ['10.0.0.0/8', '10.1.0.0/16'], ['10.9.0.5/32']);
  assert.match(text, /set closed .* elements = { 10\.0\.0\.0\/8 };/);
  assert.ok(text.indexOf('@open') < text.indexOf('@closed drop'));
  assert.doesNotMatch(hostTableText(layout, [], [], []), /masquerade/);
});
