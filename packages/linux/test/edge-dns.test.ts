import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceMetadata, PublishedRecord } from '@holdfast/region/drivers/edge.ts';
import * as dns from 'dns-packet';
import { planAnswer } from '../src/edge/dns-answers.ts';
import { parseResolvers } from '../src/edge/dns-forwarder.ts';
import { agedAnswer, cacheSeconds } from '../src/edge/dns-messages.ts';
import { answerMessage, type DnsAnswering } from '../src/edge/dns-server.ts';
import { publishedState } from '../src/edge/published-state.ts';

const instance = (region: string): InstanceMetadata => ({
  instanceId: 'i-1',
  imageId: 'ami-1',
  instanceType: 't3.micro',
  reservationId: 'r-1',
  accountId: '000000000000',
  region,
  zone: `${region}a`,
  zoneId: 'az1',
  architecture: 'x86_64',
  launchIndex: 0,
  pendingTime: '2026-01-05T09:00:00Z',
  hostname: 'ip-10-0-0-5.us-west-2.compute.internal',
  publicAddress: '198.18.0.5',
  publicHostname: 'ec2-198-18-0-5.us-west-2.compute.localhost',
  securityGroups: [],
  lifecycle: 'on-demand',
  interfaces: [],
  options: { endpoint: 'enabled', tokens: 'optional', hopLimit: 1 },
});

function stateOf(records: Record<string, PublishedRecord>) {
  const state = publishedState();
  for (const [key, record] of Object.entries(records)) state.put(key, record);
  return state;
}

const name = (label: string, addresses: string[], more: object = {}): PublishedRecord => ({
  kind: 'name',
  name: label,
  addresses,
  ttlSeconds: 60,
  ...more,
});

const state = stateOf({
  open: name('app.elb.localhost', ['198.18.0.1', '198.18.0.2']),
  scoped: name('app.elb.localhost', ['10.0.0.1'], { vpcId: 'vpc-1' }),
  checked: name('checked.elb.localhost', ['198.18.0.1', '198.18.0.2'], { check: { port: 80 } }),
  empty: name('empty.elb.localhost', []),
  large: name(
    'large.test',
    Array.from({ length: 60 }, (_, index) => `10.0.1.${index}`),
  ),
  west: { kind: 'metadata', vpcId: 'vpc-1', address: '10.0.0.5', metadata: instance('us-west-2') },
  east: { kind: 'metadata', vpcId: 'vpc-2', address: '10.0.0.5', metadata: instance('us-east-1') },
});

function plan(
  label: string,
  { type = 'A', vpcId = 'vpc-1', dead = [] as string[], chance = 0, view = state } = {},
) {
  const question = { name: label, type, class: 'IN' };
  const planned = planAnswer(question, vpcId, view, (address) => dead.includes(address), chance);
  return planned.kind === 'forward' ? 'forward' : [planned.rcode, ...planned.answers.map(({ data }) => data)];
}

test('a VPC sees its own record of a name first, others the one of no VPC', () => {
  assert.deepEqual(plan('app.elb.localhost'), ['NOERROR', '10.0.0.1']);
  assert.deepEqual(plan('APP.elb.localhost', { vpcId: 'vpc-2' }), ['NOERROR', '198.18.0.1', '198.18.0.2']);
  assert.deepEqual(plan('app.elb.localhost', { vpcId: 'vpc-2', chance: 0.5 }), [
    'NOERROR',
    '198.18.0.2',
    '198.18.0.1',
  ]);
});

test('a name that has no record of the asked type exists all the same', () => {
  assert.deepEqual(plan('app.elb.localhost', { type: 'AAAA' }), ['NOERROR']);
  assert.deepEqual(plan('empty.elb.localhost'), ['NOERROR']);
});

test('addresses that do not accept connections are left out, unless none does', () => {
  assert.deepEqual(plan('checked.elb.localhost', { dead: ['198.18.0.1'] }), ['NOERROR', '198.18.0.2']);
  assert.equal(plan('checked.elb.localhost', { dead: ['198.18.0.1', '198.18.0.2'] }).length, 3);
  assert.equal(
    plan('app.elb.localhost', { vpcId: 'vpc-2', dead: ['198.18.0.1'] }).length,
    3,
    'only where asked for',
  );
});

test('instances have their internal names, in their own VPC, forward and reverse', () => {
  const west = 'ip-10-0-0-5.us-west-2.compute.internal';
  assert.deepEqual(plan(west), ['NOERROR', '10.0.0.5']);
  assert.deepEqual(plan('ip-10-0-0-5.ec2.internal', { vpcId: 'vpc-2' }), ['NOERROR', '10.0.0.5']);
  for (const wrong of [
    'ip-10-0-0-6.us-west-2.compute.internal',
    'ip-10-0-0-5.eu-west-1.compute.internal',
    `x.${west}`,
  ])
    assert.deepEqual(plan(wrong), ['NXDOMAIN'], wrong);
  assert.deepEqual(plan(west, { vpcId: 'vpc-3' }), ['NXDOMAIN']);
  assert.deepEqual(plan('5.0.0.10.in-addr.arpa', { type: 'PTR' }), ['NOERROR', west]);
  assert.deepEqual(plan('5.0.0.10.in-addr.arpa', { type: 'PTR', vpcId: 'vpc-2' }), [
    'NOERROR',
    'ip-10-0-0-5.ec2.internal',
  ]);
  assert.deepEqual(plan('5.0.18.198.in-addr.arpa', { type: 'PTR' }), [
    'NOERROR',
    'ec2-198-18-0-5.us-west-2.compute.localhost',
  ]);
});

test('private addresses and localhost are never asked of others; the rest is', () => {
  for (const label of [
    '6.0.0.10.in-addr.arpa',
    '1.0.168.192.in-addr.arpa',
    '16.172.in-addr.arpa',
    'gone.elb.localhost',
  ])
    assert.deepEqual(plan(label, { type: 'PTR' }), ['NXDOMAIN'], label);
  assert.deepEqual(plan('localhost'), ['NOERROR', '127.0.0.1']);
  assert.deepEqual(plan('localhost', { type: 'AAAA' }), ['NOERROR', '::1']);
  for (const label of ['example.com', '1.1.1.1.in-addr.arpa', '1.0.15.172.in-addr.arpa', 'notlocalhost'])
    assert.equal(plan(label), 'forward', label);
});

test('a record that moves from one key to another is never gone in between', () => {
  const view = stateOf({ old: name('a.test', ['10.0.0.1']) });
  view.put('new', name('a.test', ['10.0.0.2']));
  view.remove('old');
  assert.deepEqual(plan('a.test', { view }), ['NOERROR', '10.0.0.2']);
  view.remove('new');
  assert.equal(plan('a.test', { view }), 'forward');
});

const answering = (ask: DnsAnswering['forwarder']['ask'] = async () => undefined): DnsAnswering => ({
  view: state,
  refuses: () => false,
  forwarder: { ask },
  chance: () => 0,
});
const queryFor = (label: string, type: string, additionals: dns.Answer[] = []) =>
  dns.encode({
    type: 'query',
    id: 4711,
    flags: dns.RECURSION_DESIRED,
    questions: [{ name: label, type, class: 'IN' }],
    additionals,
  });
const rcode = (message: Buffer | undefined) => message![3]! & 15;

test('answers that do not fit are left to TCP, and what the asker can take counts', async () => {
  const ask = async (transport: 'udp' | 'tcp', additionals: dns.Answer[] = []) =>
    dns.decode(
      (await answerMessage(queryFor('large.test', 'A', additionals), 'vpc-1', transport, answering()))!,
    );
  const small = await ask('udp');
  assert.equal(small.id, 4711);
  assert.ok(small.flags! & dns.TRUNCATED_RESPONSE);
  assert.equal(small.answers?.length, 0);
  assert.equal((await ask('tcp')).answers?.length, 60);
  const edns: dns.Answer = { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0 };
  const large = await ask('udp', [edns]);
  assert.equal(large.additionals?.[0]?.type, 'OPT');
});

test('a negative answer carries the zone, and may be kept for a second only', async () => {
  const answer = dns.decode(
    (await answerMessage(queryFor('no.elb.localhost', 'A'), 'vpc-1', 'udp', answering()))!,
  );
  assert.equal(answer.flags! & 15, 3);
  assert.deepEqual([answer.authorities?.[0]?.type, answer.authorities?.[0]?.ttl], ['SOA', 1]);
});

test('unknown types, foreign classes and nonsense get an answer or none, never an exception', async () => {
  const https = queryFor('app.elb.localhost', 'UNKNOWN_65');
  assert.equal(rcode(await answerMessage(https, 'vpc-1', 'udp', answering())), 0);
  const chaos = dns.encode({
    type: 'query',
    id: 1,
    questions: [{ name: 'version.bind', type: 'TXT', class: 'CH' }],
  });
  assert.equal(rcode(await answerMessage(chaos, 'vpc-1', 'udp', answering())), 5);
  const update = Buffer.from(https);
  update[2] = 5 << 3;
  assert.equal(rcode(await answerMessage(update, 'vpc-1', 'udp', answering())), 4);
  const cut = https.subarray(0, 20);
  assert.equal(rcode(await answerMessage(cut, 'vpc-1', 'udp', answering())), 1);
  const response = Buffer.from(https);
  response[2]! |= 0x80;
  assert.equal(await answerMessage(response, 'vpc-1', 'udp', answering()), undefined);
  assert.equal(await answerMessage(Buffer.alloc(3), 'vpc-1', 'udp', answering()), undefined);
  const forwarded = await answerMessage(queryFor('example.com', 'A'), 'vpc-1', 'udp', answering());
  assert.equal(rcode(forwarded), 2, 'nobody answers: SERVFAIL');
});

test('a kept answer ages', () => {
  const answers = [300, 60].map(
    (ttl, index): dns.Answer => ({ name: 'a.test', type: 'A', ttl, data: `10.0.0.${index}` }),
  );
  const message = dns.encode({
    type: 'response',
    id: 1,
    questions: [{ name: 'a.test', type: 'A', class: 'IN' }],
    answers,
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0 }],
  });
  assert.equal(cacheSeconds(message), 60);
  const aged = dns.decode(agedAnswer(message, 2, 45));
  assert.deepEqual([aged.id, ...aged.answers!.map(({ ttl }) => ttl)], [2, 255, 15]);
  const failed = Buffer.from(message);
  failed[3] = 2;
  assert.equal(cacheSeconds(failed), 0);
  assert.throws(() => cacheSeconds(message.subarray(0, message.length - 4)));
});

test("the machine's resolvers are read as resolv.conf has them", () => {
  const text =
    '# nameserver 9.9.9.9\nnameserver 192.0.2.1\n  nameserver\t2001:db8::1\nnameserver no-address\nsearch test\nnameserver fe80::1%eth0\nnameserver 192.0.2.4\n';
  assert.deepEqual(parseResolvers(text), ['192.0.2.1', '2001:db8::1', 'fe80::1%eth0']);
});
