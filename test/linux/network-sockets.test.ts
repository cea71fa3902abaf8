/** Sockets in other network namespaces, for Node's own net, dgram and http. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { Agent, createServer, get } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { inNamespace } from '@holdfast/linux/host/libc.ts';
import { listLinks, setLinkUp } from '@holdfast/linux/host/links.ts';
import { bindUdp, connectTcp, listenTcp } from '@holdfast/linux/host/namespace-sockets.ts';
import { makeNamespace, removeNamespace } from '@holdfast/linux/host/namespaces.ts';
import { withNetlink } from '@holdfast/linux/host/netlink.ts';
import { missingForNetwork } from '@holdfast/linux/network/doctor.ts';

const missing = missingForNetwork()
  .map(({ what }) => what)
  .join(', ');
const [one, two] = ['hfk-one', 'hfk-two'];
const own = (): string => readlinkSync('/proc/thread-self/ns/net');

describe('sockets in namespaces', { skip: missing === '' ? false : `missing: ${missing}` }, () => {
  before(() => {
    for (const name of [one, two]) {
      removeNamespace(name);
      makeNamespace(name);
      withNetlink(name, (netlink) => setLinkUp(netlink, listLinks(netlink).get('lo')!.index));
    }
  });
  after(() => {
    for (const name of [one, two]) removeNamespace(name);
  });

  test('one process serves the same address and port in two namespaces, and stays at home', async (t) => {
    const home = own();
    const servers = [one, two].map((name) =>
      createServer((_, response) => void response.end(name)).listen({ fd: listenTcp(name, '127.0.0.1', 80) }),
    );
    t.after(() => servers.forEach((server) => void server.close()));
    for (const name of [one, two]) {
      // An agent of its own: the shared one would take up the other namespace's connection to the same address.
      const agent = Object.assign(new Agent(), { createConnection: () => connectTcp(name, '127.0.0.1', 80) });
      const request = get('http://127.0.0.1/', { agent });
      const [response] = await once(request, 'response');
      assert.equal(String((await response.toArray()).join('')), name);
    }
    assert.equal(own(), home);
  });

  test('datagrams come and go inside the namespace', async () => {
    const server = createSocket('udp4').bind({ fd: bindUdp(one, '127.0.0.1', 53) });
    server.on('message', (message, { address, port }) => server.send(`${message}!`, port, address));
    const client = createSocket('udp4').bind({ fd: bindUdp(one, '0.0.0.0', 0) });
    client.send('here', 53, '127.0.0.1');
    const [answer] = await once(client, 'message', { signal: AbortSignal.timeout(5_000) });
    assert.equal(String(answer), 'here!');
    server.close();
    client.close();
  });

  test('what fails, fails with its own code, and leaves the thread at home', async () => {
    const home = own();
    const server = createServer().listen({ fd: listenTcp(one, '127.0.0.1', 81) });
    assert.throws(() => listenTcp(one, '127.0.0.1', 81), { code: 'EADDRINUSE' });
    assert.throws(() => listenTcp('hfk-none', '127.0.0.1', 81), { code: 'ENOENT' });
    assert.throws(() => listenTcp(one, '127.0.0.256', 81), TypeError);
    assert.throws(() => listenTcp(one, '127.0.0.1', 65_536), RangeError);
    assert.throws(() => inNamespace(one, () => assert.fail('inside')), /inside/);
    const [error] = await once(connectTcp(two, '127.0.0.1', 81), 'error');
    assert.equal(error.code, 'ECONNREFUSED');
    assert.equal(own(), home);
    server.close();
  });
});
