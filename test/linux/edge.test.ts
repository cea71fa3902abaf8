/** The edge's process, in network namespaces that stand for two VPCs with the same addresses. */

import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { InstanceMetadata, PublishedRecord } from '@holdfast/region/drivers/edge.ts';
import * as dns from 'dns-packet';
import {
  edgeStatus,
  type LinuxEdge,
  linuxEdge,
  startEdge,
  stopEdge,
  superviseEdge,
  vpcListeners,
} from '../../packages/linux/src/edge/index.ts';
import { bindUdp, connectTcp, listenTcp } from '../../packages/linux/src/host/namespace-sockets.ts';
import { startTicksOf } from '../../packages/linux/src/host/process.ts';
import { hostLayout, routerNamespace } from '../../packages/linux/src/layout.ts';

const directory = join(tmpdir(), 'holdfast-hfe-edge-test');
const layout = hostLayout({
  prefix: 'hfe',
  stateDirectory: join(directory, 'state'),
  runDirectory: join(directory, 'run'),
  cacheDirectory: join(directory, 'cache'),
});
const hostsFile = join(directory, 'hosts');
const resolvConf = join(directory, 'resolv.conf');
const options = { hostsFile, resolvConf };
const HOSTS_BEFORE = '127.0.0.1 localhost\n10.1.2.3\tmine';

const ip = (...words: string[]) =>
  execFileSync('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
const why =
  process.getuid?.() !== 0
    ? 'needs root'
    : spawnSync('ip', ['-V']).error || spawnSync('curl', ['-V']).error
      ? 'needs ip and curl'
      : false;

function removeNamespaces(): void {
  for (const line of ip('netns', 'list').split('\n')) {
    const namespace = line.split(' ')[0]!;
    if (namespace.startsWith('hfe-')) ip('netns', 'del', namespace);
  }
}

/** A router with the service addresses, and an instance at 10.0.0.5 on a routed veth. */
function makeVpc(vpcId: string): void {
  const router = routerNamespace(layout, vpcId);
  const instance = `${router}-i`;
  ip('netns', 'add', router);
  ip('netns', 'add', instance);
  ip('link', 'add', 'eth0', 'netns', instance, 'type', 'veth', 'peer', 'name', 'e0', 'netns', router);
  ip('-n', router, 'link', 'set', 'lo', 'up');
  for (const address of ['10.0.0.1', '10.0.0.2', '169.254.169.254', '169.254.169.253', '169.254.169.252'])
    ip('-n', router, 'addr', 'add', `${address}/32`, 'dev', 'lo');
  ip('-n', router, 'link', 'set', 'e0', 'up');
  ip('-n', router, 'route', 'add', '10.0.0.5/32', 'dev', 'e0');
  ip('-n', instance, 'link', 'set', 'lo', 'up');
  ip('-n', instance, 'link', 'set', 'eth0', 'up');
  ip('-n', instance, 'addr', 'add', '10.0.0.5/32', 'dev', 'eth0');
  ip('-n', instance, 'route', 'add', '10.0.0.1', 'dev', 'eth0', 'scope', 'link');
  ip('-n', instance, 'route', 'add', 'default', 'via', '10.0.0.1');
}

/** A container in the instance, one hop further away: 10.0.0.6. */
function makeContainer(vpcId: string): string {
  const router = routerNamespace(layout, vpcId);
  const instance = `${router}-i`;
  const container = `${router}-c`;
  ip('netns', 'add', container);
  ip('link', 'add', 'eth0', 'netns', container, 'type', 'veth', 'peer', 'name', 'c0', 'netns', instance);
  ip('netns', 'exec', instance, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
  ip('-n', instance, 'link', 'set', 'c0', 'up');
  ip('-n', instance, 'route', 'add', '10.0.0.6/32', 'dev', 'c0');
  ip('-n', router, 'route', 'add', '10.0.0.6/32', 'via', '10.0.0.5', 'dev', 'e0', 'onlink');
  ip('-n', container, 'link', 'set', 'eth0', 'up');
  ip('-n', container, 'addr', 'add', '10.0.0.6/32', 'dev', 'eth0');
  ip('-n', container, 'route', 'add', '10.0.0.5', 'dev', 'eth0', 'scope', 'link');
  ip('-n', container, 'route', 'add', 'default', 'via', '10.0.0.5');
  return container;
}

const instanceOf = (vpcId: string) => `${routerNamespace(layout, vpcId)}-i`;

function metadata(instanceId: string, hopLimit = 2): InstanceMetadata {
  return {
    instanceId,
    imageId: 'ami-0123456789abcdef0',
    instanceType: 't3.micro',
    reservationId: 'r-0123456789abcdef0',
    accountId: '000000000000',
    region: 'us-west-2',
    zone: 'us-west-2a',
    zoneId: 'usw2-az1',
    architecture: 'x86_64',
    launchIndex: 0,
    pendingTime: '2026-01-05T09:00:00Z',
    userData: Buffer.from('#!/bin/sh\necho hello\n').toString('base64'),
    hostname: 'ip-10-0-0-5.us-west-2.compute.internal',
    securityGroups: ['default'],
    lifecycle: 'on-demand',
    interfaces: [],
    options: { endpoint: 'enabled', tokens: 'required', hopLimit },
  };
}

const vpcRecord = (vpcId: string): PublishedRecord => ({
  kind: 'vpc',
  vpcId,
  resolver: '10.0.0.2',
  dnsSupport: true,
});

function curl(namespace: string, ...words: string[]): { status: string; body: string } {
  const result = spawnSync('ip', [
    ...['netns', 'exec', namespace, 'curl', '-s', '--noproxy', '*', '-m', '5', '-w', '\n%{http_code}'],
    ...words,
  ]);
  const lines = result.stdout.toString().split('\n');
  return { status: lines.pop()!, body: lines.join('\n') };
}

const TTL_HEADER = 'X-aws-ec2-metadata-token-ttl-seconds: 60';
const imds = (path: string) => `http://169.254.169.254${path}`;

function token(namespace: string): string {
  const { status, body } = curl(namespace, '-X', 'PUT', '-H', TTL_HEADER, imds('/latest/api/token'));
  assert.equal(status, '200');
  return body;
}
const withToken = (namespace: string, given: string, path: string) =>
  curl(namespace, '-H', `X-aws-ec2-metadata-token: ${given}`, imds(path));

function query(namespace: string, name: string, type = 'A', server = '10.0.0.2'): Promise<dns.Packet> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const end = (work: () => void) => {
      clearTimeout(timer);
      socket.close();
      work();
    };
    const timer = setTimeout(() => end(() => reject(new Error(`no answer about ${name}`))), 20_000);
    socket.once('error', (error) => end(() => reject(error)));
    socket.once('message', (message) => end(() => resolve(dns.decode(message))));
    socket.bind({ fd: bindUdp(namespace, '10.0.0.5', 0) }, () => {
      const questions = [{ name, type, class: 'IN' }];
      socket.send(dns.encode({ type: 'query', id: 7, flags: dns.RECURSION_DESIRED, questions }), 53, server);
    });
  });
}

/** Waits for something that another process does, at most 30 s. */
async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `in 30 s: ${what}`);
    await sleep(5);
  }
}

describe('the edge', { skip: why }, () => {
  let edge: LinuxEdge;
  const put = (records: Record<string, PublishedRecord>, removed: string[] = []) =>
    edge.publish({ put: new Map(Object.entries(records)), removed });

  before(async () => {
    await stopEdge(layout);
    rmSync(directory, { recursive: true, force: true });
    removeNamespaces();
    mkdirSync(directory, { recursive: true });
    writeFileSync(hostsFile, HOSTS_BEFORE);
    writeFileSync(resolvConf, '# none\n');
    makeVpc('vpc-1');
    makeVpc('vpc-2');
    edge = linuxEdge(layout);
    await startEdge(layout, options);
    await put({
      'vpc/1': vpcRecord('vpc-1'),
      'vpc/2': vpcRecord('vpc-2'),
      'metadata/1': { kind: 'metadata', vpcId: 'vpc-1', address: '10.0.0.5', metadata: metadata('i-1') },
      'metadata/2': { kind: 'metadata', vpcId: 'vpc-2', address: '10.0.0.5', metadata: metadata('i-2') },
    });
  });
  after(async () => {
    edge.close();
    await stopEdge(layout);
    removeNamespaces();
    rmSync(directory, { recursive: true, force: true });
  });

  test('is one process, in a session of its own, that a second start adopts', async () => {
    const { pid } = await startEdge(layout, options);
    assert.deepEqual(edgeStatus(layout), { pid });
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    assert.equal(stat[3], String(pid), 'leads its session');
    const rssKib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
    assert.ok(rssKib < 80 * 1024, `${rssKib} KiB resident`);
  });

  test('tells each instance about itself, also where two VPCs have the same addresses', () => {
    for (const [vpcId, instanceId] of [
      ['vpc-1', 'i-1'],
      ['vpc-2', 'i-2'],
    ] as const) {
      const namespace = instanceOf(vpcId);
      assert.equal(curl(namespace, imds('/latest/meta-data/instance-id')).status, '401');
      const given = token(namespace);
      assert.deepEqual(withToken(namespace, given, '/latest/meta-data/instance-id'), {
        status: '200',
        body: instanceId,
      });
      assert.equal(withToken(namespace, given, '/latest/user-data').body, '#!/bin/sh\necho hello\n');
      assert.equal(withToken(namespace, given, '/latest/meta-data/no-such-thing').status, '404');
    }
    assert.equal(withToken(instanceOf('vpc-2'), token(instanceOf('vpc-1')), '/latest/').status, '401');
  });

  test('lets a token go as many hops as the instance allows, and everything else further', async () => {
    const container = makeContainer('vpc-1');
    const record = (hopLimit: number): PublishedRecord => {
      const known = metadata('i-1', hopLimit);
      const optional = { ...known, options: { ...known.options, tokens: 'optional' } } as const;
      return { kind: 'metadata', vpcId: 'vpc-1', address: '10.0.0.6', metadata: optional };
    };
    const ask = (...words: string[]) =>
      curl(container, '-X', 'PUT', '-H', TTL_HEADER, ...words, imds('/latest/api/token'));
    await put({ 'metadata/1c': record(1) });
    assert.equal(ask('-m', '0.5').status, '000', 'the answer dies on its way through the instance');
    assert.equal(curl(container, imds('/latest/meta-data/instance-id')).body, 'i-1');
    await put({ 'metadata/1c': record(2) });
    assert.equal(ask().status, '200');
  });

  test('answers DNS in each VPC by what is published there, on both addresses, and by TCP', async () => {
    await put({
      'name/a': {
        kind: 'name',
        name: 'db.internal.test',
        vpcId: 'vpc-1',
        addresses: ['10.0.0.9'],
        ttlSeconds: 5,
      },
      'name/b': { kind: 'name', name: 'db.internal.test', addresses: ['198.18.0.9'], ttlSeconds: 5 },
    });
    const addresses = async (vpcId: string, server: string) =>
      (await query(instanceOf(vpcId), 'DB.internal.test', 'A', server)).answers?.map(({ data, ttl }) => [
        data,
        ttl,
      ]);
    for (const server of ['10.0.0.2', '169.254.169.253']) {
      assert.deepEqual(await addresses('vpc-1', server), [['10.0.0.9', 5]]);
      assert.deepEqual(await addresses('vpc-2', server), [['198.18.0.9', 5]]);
    }
    const own = await query(instanceOf('vpc-1'), 'ip-10-0-0-5.us-west-2.compute.internal');
    assert.equal(own.answers?.[0]?.data, '10.0.0.5');
    const reverse = await query(instanceOf('vpc-1'), '5.0.0.10.in-addr.arpa', 'PTR');
    assert.equal(reverse.answers?.[0]?.data, 'ip-10-0-0-5.us-west-2.compute.internal');

    const connection = connectTcp(instanceOf('vpc-1'), '10.0.0.2', 53);
    const message = dns.encode({
      type: 'query',
      id: 9,
      questions: [{ name: 'db.internal.test', type: 'A', class: 'IN' }],
    });
    connection.write(Buffer.concat([Buffer.from([0, message.length]), message]));
    const [bytes] = (await connection.take(1).toArray()) as Buffer[];
    connection.destroy();
    assert.equal(dns.decode(bytes!.subarray(2)).answers?.[0]?.data, '10.0.0.9');
  });

  test('says that it cannot help when this machine has no resolver, and survives nonsense', async () => {
    assert.equal(((await query(instanceOf('vpc-1'), 'example.com')).flags ?? 0) & 15, 2, 'SERVFAIL');
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => {
      socket.bind({ fd: bindUdp(instanceOf('vpc-1'), '10.0.0.5', 0) }, resolve);
    });
    for (let length = 0; length < 64; length++) socket.send(Buffer.alloc(length, length * 7), 53, '10.0.0.2');
    const connection = connectTcp(instanceOf('vpc-1'), '169.254.169.254', 80);
    connection.on('error', () => {});
    connection.end('\0\0 no request at all\r\n\r\n');
    assert.equal((await query(instanceOf('vpc-1'), 'localhost')).answers?.[0]?.data, '127.0.0.1');
    socket.close();
    connection.destroy();
  });

  test('forwards what no VPC knows, and keeps the answer as long as it may', async () => {
    const upstream = createSocket('udp4');
    let asked = 0;
    upstream.on('message', (message, from) => {
      asked++;
      const { id, questions } = dns.decode(message);
      const name = questions![0]!.name;
      const answers = [{ name, type: 'A', class: 'IN', ttl: 300, data: '192.0.2.7' }];
      upstream.send(
        dns.encode({ type: 'response', id: id!, questions: questions!, answers }),
        from.port,
        from.address,
      );
    });
    // The edge asks on port 53, which nobody else has at this loopback address.
    await new Promise<void>((resolve) => upstream.bind(53, '127.0.0.253', resolve));
    try {
      writeFileSync(resolvConf, 'nameserver 127.0.0.253\n');
      await stopEdge(layout);
      await startEdge(layout, options);
      for (let again = 0; again < 3; again++)
        assert.equal((await query(instanceOf('vpc-1'), 'example.com')).answers?.[0]?.data, '192.0.2.7');
      assert.equal(asked, 1);
      assert.equal(((await query(instanceOf('vpc-1'), 'gone.elb.localhost')).flags ?? 0) & 15, 3, 'NXDOMAIN');
      assert.equal(asked, 1, 'localhost names are not forwarded');
    } finally {
      upstream.close();
    }
  });

  test('leaves out addresses that do not accept connections, seen from the VPC', async () => {
    const node = createTcpServer((connection) => connection.destroy());
    node.listen({ fd: listenTcp(instanceOf('vpc-1'), '10.0.0.5', 8080) });
    try {
      const check = { port: 8080 };
      const addresses = ['10.0.0.5', '10.0.0.77'];
      const ask = async () =>
        (await query(instanceOf('vpc-1'), 'checked.elb.localhost')).answers?.map(({ data }) => data).sort();
      const name = 'checked.elb.localhost';
      await put({ 'name/checked': { kind: 'name', name, vpcId: 'vpc-1', addresses, ttlSeconds: 1, check } });
      await eventually(async () => (await ask())?.join() === '10.0.0.5', 'the dead one is left out');
      node.close();
      await eventually(async () => (await ask())?.length === 2, 'both are named when both are dead');
    } finally {
      node.close();
    }
  });

  test('listens in a new VPC as soon as it is published and its namespace stands', async () => {
    makeVpc('vpc-3');
    await put({ 'vpc/3': vpcRecord('vpc-3') });
    assert.equal((await query(instanceOf('vpc-3'), 'localhost')).answers?.length, 1, 'namespace first');
    await put({ 'vpc/4': vpcRecord('vpc-4') });
    makeVpc('vpc-4');
    await eventually(
      () => curl(instanceOf('vpc-4'), imds('/latest/')).status === '404',
      'it serves a VPC whose namespace came later',
    );
  });

  test('lets go of a namespace that goes, and serves the one that is made anew', async () => {
    const router = routerNamespace(layout, 'vpc-3');
    ip('link', 'add', 'hfetest0', 'type', 'veth', 'peer', 'name', 'p0', 'netns', router);
    ip('netns', 'del', router);
    ip('netns', 'del', instanceOf('vpc-3'));
    // A link pair goes with the last user of the namespace of either end.
    await eventually(() => spawnSync('ip', ['link', 'show', 'hfetest0']).status !== 0, 'the link is gone');
    makeVpc('vpc-3');
    await eventually(() => curl(instanceOf('vpc-3'), imds('/latest/')).status === '404', 'it serves again');
    await put({}, ['vpc/3', 'vpc/4']);
    assert.equal(curl(instanceOf('vpc-3'), imds('/latest/')).status, '000');
  });

  test('leads from loopback to the nodes, and writes their addresses into the hosts file', async () => {
    const node: Server = createServer((_request, response) => response.end('from the node'));
    await new Promise<void>((resolve) => node.listen(18_080, '127.0.0.9', resolve));
    try {
      const name = 'my-lb-1.us-west-2.elb.localhost';
      await put({ 'door/1': { kind: 'front-door', name, nodes: ['127.0.0.9'], ports: [18_080] } });
      const { stdout } = await promisify(execFile)('curl', [
        ...['-s', '--noproxy', '*', '-m', '20', `http://${name}:18080/`],
      ]);
      assert.equal(stdout, 'from the node');
      assert.equal(
        readFileSync(hostsFile, 'utf8'),
        `${HOSTS_BEFORE}\n# holdfast hfe begin\n127.0.0.9 ${name}\n# holdfast hfe end`,
      );
      await put({}, ['door/1']);
      assert.equal(readFileSync(hostsFile, 'utf8'), HOSTS_BEFORE);
    } finally {
      node.close();
      node.closeAllConnections();
    }
  });

  test('comes back when it is killed; tokens stay good, and what was published meanwhile is in force', async () => {
    const supervision = superviseEdge(layout, options);
    try {
      const given = token(instanceOf('vpc-1'));
      const killed = edgeStatus(layout)!.pid;
      // The supervision must be watching before there is anything to see.
      await eventually(() => edgeStatus(layout)?.pid === killed, 'it is adopted');
      process.kill(killed, 'SIGKILL');
      await put({
        'name/late': { kind: 'name', name: 'late.test', addresses: ['192.0.2.1'], ttlSeconds: 5 },
      });
      await eventually(() => ![undefined, killed].includes(edgeStatus(layout)?.pid), 'another one runs');
      await eventually(
        () => withToken(instanceOf('vpc-1'), given, '/latest/meta-data/instance-id').body === 'i-1',
        'it answers',
      );
      assert.equal((await query(instanceOf('vpc-1'), 'late.test')).answers?.[0]?.data, '192.0.2.1');
    } finally {
      supervision.stop();
    }
  });

  test('ends by itself when its run directory is removed, and leaves nothing there', async () => {
    const elsewhere = { ...layout, runDirectory: join(directory, 'run-2') };
    const { pid } = await startEdge(elsewhere, { hostsFile: false });
    rmSync(elsewhere.runDirectory, { recursive: true });
    await eventually(() => startTicksOf(pid) === undefined, 'the process is gone');
    assert.equal(existsSync(elsewhere.runDirectory), false);
    assert.equal(edgeStatus(elsewhere), undefined);
    const log = readFileSync(join(layout.runDirectory, 'edge.log'), 'utf8');
    assert.doesNotMatch(log, /Error/, 'whatever it went through, the edge has met no fault of its own');
  });

  test('is served in every VPC, whoever it is: the region listens the same way', async () => {
    const listeners = vpcListeners(layout, {
      log: (message, cause) => assert.fail(`${message}: ${cause}`),
      open(vpcId, namespace) {
        const server = createServer((request, response) =>
          response.end(`${vpcId} ${request.socket.remoteAddress}`),
        );
        server.listen({ fd: listenTcp(namespace, '169.254.169.252', 4566) });
        return { close: () => server.close() };
      },
    });
    try {
      listeners.sync(new Map(['vpc-1', 'vpc-none'].map((vpcId) => [vpcId, ''])));
      assert.deepEqual(listeners.serving(), ['vpc-1']);
      const connection = connectTcp(instanceOf('vpc-1'), '169.254.169.252', 4566);
      connection.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      const answer = Buffer.concat((await connection.toArray()) as Buffer[]).toString();
      assert.match(answer, /vpc-1 10\.0\.0\.5/);
      listeners.sync(new Map());
      assert.deepEqual(listeners.serving(), []);
    } finally {
      listeners.close();
    }
  });
});
