import assert from 'node:assert/strict';
import {
  Agent,
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type Server,
} from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { type FrontDoorView, frontDoorServer } from '../src/edge/front-door.ts';
import type { FrontDoorRecord } from '../src/edge/published-state.ts';
import { reachability } from '../src/edge/reachability.ts';

const listen = (server: Server, host: string, port: number) =>
  new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });

const stop = (server: Server) => {
  server.close();
  server.closeAllConnections();
};

/** Nodes at 127.0.0.2, 127.0.0.3, … and the front door at 127.0.0.1, all on one port. */
async function withDoor(
  nodes: RequestListener[],
  story: (door: { port: number; servers: Server[]; refused: Set<string> }) => Promise<void>,
): Promise<void> {
  const servers = nodes.map((answer) => createServer(answer));
  const refused = new Set<string>();
  let port = await listen(servers[0]!, '127.0.0.2', 0);
  const record = (name: string, addresses: string[]): FrontDoorRecord => ({
    kind: 'front-door',
    name,
    nodes: addresses,
    ports: [port],
  });
  const addresses = nodes.map((_, index) => `127.0.0.${index + 2}`);
  const view: FrontDoorView = {
    find: (name) =>
      ({
        'all.elb.localhost': record('all.elb.localhost', addresses),
        'first.elb.localhost': record('first.elb.localhost', addresses.slice(0, 1)),
        'last.elb.localhost': record('last.elb.localhost', addresses.slice(-1)),
        'nobody.elb.localhost': record('nobody.elb.localhost', ['127.0.0.99']),
      })[name],
    names: () => ['all.elb.localhost'],
    refuses: (address) => refused.has(address),
  };
  const door = frontDoorServer(port, view);
  try {
    for (const [index, server] of servers.slice(1).entries())
      await listen(server, `127.0.0.${index + 3}`, port);
    port = await listen(door, '127.0.0.1', port);
    await story({ port, servers, refused });
  } finally {
    for (const server of [door, ...servers]) stop(server);
  }
}

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  trailers: IncomingMessage['trailers'];
  body: string;
}

function ask(
  port: number,
  host: string,
  more: { body?: string; agent?: Agent; headers?: object; method?: string } = {},
) {
  return new Promise<Answer>((resolve, reject) => {
    const { body, agent, headers, method = 'GET' } = more;
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path: '/a?b=c',
        agent: agent ?? false,
        headers: { Host: host, ...headers },
      },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part) => parts.push(part));
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode!,
            headers: incoming.headers,
            trailers: incoming.trailers,
            body: Buffer.concat(parts).toString(),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const says =
  (word: string): RequestListener =>
  (_request, response) =>
    response.end(word);

test('the Host header picks the load balancer, each request anew, whatever its case and port', async () => {
  await withDoor([says('first'), says('last')], async ({ port }) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const [host, said] of [
      ['first.elb.localhost', 'first'],
      ['LAST.elb.localhost', 'last'],
      [`First.elb.localhost:${port}`, 'first'],
      ['last.elb.localhost.', 'last'],
      ['first.elb.localhost.localhost', 'first'],
    ] as const)
      assert.equal((await ask(port, host, { agent })).body, said, host);
    const both = [await ask(port, 'all.elb.localhost'), await ask(port, 'all.elb.localhost')];
    assert.deepEqual(both.map(({ body }) => body).sort(), ['first', 'last'], 'its nodes take turns');
    const unknown = await ask(port, 'unknown.elb.localhost', { agent });
    assert.equal(unknown.status, 404);
    assert.match(unknown.body, /http:\/\/all\.elb\.localhost\//);
    agent.destroy();
  });
});

test('a node that does not accept is passed over; when none does, the answer says so', async () => {
  await withDoor([says('first'), says('last')], async ({ port, servers, refused }) => {
    stop(servers[0]!);
    for (let turn = 0; turn < 4; turn++) assert.equal((await ask(port, 'all.elb.localhost')).body, 'last');
    refused.add('127.0.0.3');
    assert.equal((await ask(port, 'all.elb.localhost')).body, 'last', 'what is believed dead is tried last');
    const nobody = await ask(port, 'nobody.elb.localhost');
    assert.deepEqual([nobody.status, /do not answer/.test(nobody.body)], [503, true]);
  });
});

test('requests and answers pass as they are: method, path, headers, bodies, trailers', async () => {
  const seen: { url: string | undefined; method: string | undefined; headers: IncomingMessage['headers'] }[] =
    [];
  const echo: RequestListener = async (incoming, response) => {
    seen.push({ url: incoming.url, method: incoming.method, headers: incoming.headers });
    response.writeHead(207, 'Odd', [
      ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'],
      ...['Trailer', 'X-Sum', 'Transfer-Encoding', 'chunked'],
    ]);
    for await (const part of incoming) response.write(part);
    response.addTrailers({ 'X-Sum': '42' });
    response.end();
  };
  await withDoor([echo], async ({ port }) => {
    const body = 'x'.repeat(300_000);
    const answer = await ask(port, 'all.elb.localhost', {
      method: 'POST',
      body,
      headers: { 'X-Forwarded-For': '192.0.2.9', 'X-Own': 'yes', 'Content-Length': body.length },
    });
    assert.deepEqual([answer.status, answer.body.length, answer.trailers['x-sum']], [207, body.length, '42']);
    assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
    const [first] = seen;
    assert.deepEqual([first?.method, first?.url, first?.headers['x-own']], ['POST', '/a?b=c', 'yes']);
    assert.equal(first?.headers.host, 'all.elb.localhost');
    assert.equal(first?.headers['x-forwarded-for'], '192.0.2.9', 'the node adds to it, not the front door');
    const empty = await ask(port, 'all.elb.localhost', { method: 'HEAD' });
    assert.deepEqual([empty.status, empty.body], [207, '']);
    assert.equal((await ask(port, 'all.elb.localhost', { method: 'DELETE' })).status, 207);
  });
});

test('answers stream, and a client that leaves ends the request at the node', async () => {
  let left: () => void = () => {};
  const gone = new Promise<void>((resolve) => {
    left = resolve;
  });
  const stream: RequestListener = (_request, response) => {
    response.write('begin');
    response.on('close', left);
  };
  await withDoor([stream], async ({ port }) => {
    const outgoing = request({
      host: '127.0.0.1',
      port,
      agent: false,
      headers: { Host: 'all.elb.localhost' },
    });
    outgoing.on('error', () => {});
    outgoing.end();
    const incoming = await new Promise<IncomingMessage>((resolve) => outgoing.once('response', resolve));
    const begun = await new Promise<Buffer>((resolve) => incoming.once('data', resolve));
    assert.equal(begun.toString(), 'begin', 'before the answer is whole');
    outgoing.destroy();
    await gone;
  });
});

test('a kept connection that the node has closed is no error to the client', async () => {
  await withDoor([says('here')], async ({ port, servers }) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    assert.equal((await ask(port, 'all.elb.localhost', { agent })).body, 'here');
    servers[0]!.closeAllConnections();
    assert.equal((await ask(port, 'all.elb.localhost', { agent })).body, 'here');
    agent.destroy();
  });
});

test('another protocol goes through, both ways', async () => {
  await withDoor([says('plain')], async ({ port, servers }) => {
    servers[0]!.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
    const talk = (host: string) =>
      new Promise<string>((resolve, reject) => {
        const client = connect(port, '127.0.0.1');
        let heard = '';
        client.on('error', reject);
        client.on('data', (part) => {
          heard += part;
          if (heard.endsWith('\r\n\r\n')) client.write('hello');
          if (heard.endsWith('hello')) client.end();
        });
        client.on('close', () => resolve(heard));
        client.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`);
      });
    assert.match(await talk('all.elb.localhost'), /^HTTP\/1\.1 101 [\s\S]*hello$/);
    assert.match(await talk('unknown.elb.localhost'), /^HTTP\/1\.1 404 /);
  });
});

test('an address refuses after two failures in a row, and accepts again after one success', async () => {
  const node = createTcpServer((connection) => connection.destroy());
  const listenAgain = (port: number) =>
    new Promise<void>((resolve) => node.listen(port, '127.0.0.1', resolve));
  await listenAgain(0);
  const { port } = node.address() as AddressInfo;
  let attempts = 0;
  let next: (refuses: boolean) => void = () => {};
  const change = () =>
    new Promise<boolean>((resolve) => {
      next = resolve;
    });
  const watched = reachability({
    connect: (target) => {
      attempts++;
      return connect(target.port, target.address);
    },
    changed: (_target, refuses) => next(refuses),
    intervalMs: 20,
    timeoutMs: 500,
  });
  try {
    const keepAlive = setInterval(() => {}, 1_000);
    const target = { address: '127.0.0.1', port };
    watched.sync([target]);
    assert.equal(watched.refuses('127.0.0.1', port, undefined), false);
    await new Promise<void>((resolve) => node.close(() => resolve()));
    const before = attempts;
    assert.equal(await change(), true);
    assert.ok(attempts >= before + 1);
    assert.equal(watched.refuses('127.0.0.1', port, undefined), true);
    assert.equal(
      watched.refuses('127.0.0.1', port, 'vpc-1'),
      false,
      'seen from elsewhere it may be otherwise',
    );
    const up = change();
    await listenAgain(port);
    assert.equal(await up, false);
    watched.sync([]);
    assert.equal(watched.refuses('127.0.0.1', port, undefined), false);
    clearInterval(keepAlive);
  } finally {
    watched.close();
    node.close();
  }
});
