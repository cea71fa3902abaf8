/**
 * The front door: HTTP on loopback, where `*.localhost` leads browsers and curl. Each request goes to a node of the
 * load balancer that its Host header names, as it stands or with `.localhost` behind it. It adds no header: the node does that, and sees the host as its client
 * whether the client came through here or straight.
 */
import {
  Agent,
  type ClientRequest,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { canonicalName, type FrontDoorRecord } from './published-state.ts';

export interface FrontDoorView {
  /** The load balancer of a name. */
  find(name: string): FrontDoorRecord | undefined;
  /** Names that a port leads to, for whoever asked for another one. */
  names(port: number): string[];
  /** Is this node known not to accept connections? */
  refuses(address: string, port: number): boolean;
}

const CONNECT_TIMEOUT_MS = 1_000;
const CLIENT_IDLE_MS = 65_000;
const MOST_CLIENTS = 4_096;
/** https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html */
const LARGEST_HEAD = 64 * 1024;

/** Headers about one connection, not about the message: RFC 9110, section 7.6.1. Node writes its own. */
const connectionHeaders = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade']);

function endToEnd(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (!connectionHeaders.has(name.toLowerCase())) kept.push(name, rawHeaders[index + 1]!);
  }
  return kept;
}

function connectNode(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true });
    const timer = setTimeout(
      () => socket.destroy(new Error(`${address}:${port} does not answer`)),
      CONNECT_TIMEOUT_MS,
    );
    socket.once('error', reject);
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeListener('error', reject);
      resolve(socket);
    });
  });
}

let turn = 0;

/** Connects to a node of the load balancer: in turn, the next one when one does not accept, dead ones last. */
export async function connectDoor(door: FrontDoorRecord, port: number, view: FrontDoorView): Promise<Socket> {
  const first = turn++;
  const nodes = door.nodes.map((_, index) => door.nodes[(first + index) % door.nodes.length]!);
  const order = [
    ...nodes.filter((node) => !view.refuses(node, port)),
    ...nodes.filter((node) => view.refuses(node, port)),
  ];
  let failure: unknown = new Error('it has no nodes');
  for (const node of order) {
    try {
      return await connectNode(node, port);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** The connections of one client to the nodes behind one name: what the client keeps alive is kept alive. */
class DoorAgent extends Agent {
  readonly #open: () => Promise<Socket>;

  constructor(open: () => Promise<Socket>) {
    super({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
    this.#open = open;
  }

  override createConnection(
    _options: unknown,
    callback?: (error: Error | null, socket: Socket) => void,
  ): undefined {
    this.#open().then(
      (socket) => callback?.(null, socket),
      (error: Error) => callback?.(error, undefined as unknown as Socket),
    );
  }
}

function answerText(response: ServerResponse, status: number, message: string): void {
  const body = `${message}\n`;
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** The name in a Host header, without its port. */
export const hostName = (host: string | undefined): string =>
  canonicalName((host ?? '').replace(/:\d*$/, ''));

/** The load balancer that a Host header means; the header's own name when there is none. */
function doorName(view: FrontDoorView, host: string | undefined): string {
  const name = hostName(host);
  const bare = name.replace(/\.localhost$/, '');
  return !view.find(name) && view.find(bare) ? bare : name;
}

function unknownHost(name: string, port: number, view: FrontDoorView): string {
  const names = view.names(port);
  const known = names.length > 0 ? names.map((known) => `  http://${known}/`).join('\n') : '  (none)';
  return `No load balancer has the name '${name}'. Load balancers that listen on port ${port}:\n${known}`;
}

const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

const hasBody = (request: IncomingMessage): boolean =>
  request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;

/** Passes one request on and its answer back. */
function forward(request: IncomingMessage, response: ServerResponse, agent: Agent, repeated = false): void {
  const headers = endToEnd(request.rawHeaders);
  if (
    !hasBody(request) &&
    !repeatable.has(request.method!) &&
    request.headers['content-length'] === undefined
  )
    headers.push('Content-Length', '0');
  const outgoing: ClientRequest = httpRequest({
    method: request.method,
    path: request.url,
    headers,
    agent,
    setHost: false,
    maxHeaderSize: LARGEST_HEAD,
  });
  outgoing.on('continue', () => response.writeContinue());
  outgoing.on('information', ({ statusCode, headers: early }) => {
    if (statusCode === 103) response.writeEarlyHints(early as never);
  });
  outgoing.on('response', (incoming) => {
    response.sendDate = false;
    response.writeHead(incoming.statusCode!, incoming.statusMessage ?? '', endToEnd(incoming.rawHeaders));
    response.flushHeaders();
    incoming.on('end', () => {
      if (incoming.rawTrailers.length > 0) response.addTrailers(incoming.trailers as Record<string, string>);
    });
    pipeline(incoming, response, () => {});
  });
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    if (response.headersSent) return void response.destroy();
    // A node may close a kept connection at the very moment it is used again.
    if (outgoing.reusedSocket && !repeated && !hasBody(request) && repeatable.has(request.method!)) {
      forward(request, response, agent, true);
      return;
    }
    const reason = `The nodes of this load balancer do not answer: ${error.message || error.code}`;
    answerText(response, 503, reason);
    request.resume();
  });
  // A client that leaves takes its request with it.
  response.once('close', () => {
    if (!response.writableFinished) outgoing.destroy();
  });
  if (hasBody(request)) {
    if (request.headers.expect !== undefined) outgoing.flushHeaders();
    request.pipe(outgoing);
  } else {
    outgoing.end();
  }
}

/** Passes a connection on as it is, beginning with the request that asked for another protocol. */
async function tunnel(
  request: IncomingMessage,
  client: Socket,
  head: Buffer,
  port: number,
  view: FrontDoorView,
) {
  client.on('error', () => client.destroy());
  const name = doorName(view, request.headers.host);
  const door = view.find(name);
  if (!door?.ports.includes(port)) {
    const body = `${unknownHost(name, port, view)}\n`;
    const length = Buffer.byteLength(body);
    return client.end(
      `HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n${body}`,
    );
  }
  try {
    const node = await connectDoor(door, port, view);
    const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
    for (let index = 0; index < request.rawHeaders.length; index += 2)
      lines.push(`${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}`);
    node.write(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
    client.setTimeout(0);
    pipeline(client, node, () => {});
    pipeline(node, client, () => {});
  } catch {
    client.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  }
}

/** The server of one port; it listens nowhere yet. */
export function frontDoorServer(port: number, view: FrontDoorView): Server {
  const server = createServer({
    keepAliveTimeout: CLIENT_IDLE_MS,
    requestTimeout: 0,
    maxHeaderSize: LARGEST_HEAD,
    noDelay: true,
  });
  server.maxConnections = MOST_CLIENTS;
  const agents = new WeakMap<Socket, Map<string, DoorAgent>>();
  const agentOf = (client: Socket, name: string): DoorAgent => {
    let own = agents.get(client);
    if (!own) {
      own = new Map();
      agents.set(client, own);
      client.once('close', () => {
        for (const agent of agents.get(client)?.values() ?? []) agent.destroy();
      });
    }
    let agent = own.get(name);
    if (!agent) {
      agent = new DoorAgent(async () => {
        const door = view.find(name);
        if (!door) throw new Error('it is gone');
        return connectDoor(door, port, view);
      });
      own.set(name, agent);
    }
    return agent;
  };
  const respond = (request: IncomingMessage, response: ServerResponse): void => {
    const name = doorName(view, request.headers.host);
    if (!view.find(name)?.ports.includes(port)) {
      request.resume();
      answerText(response, 404, unknownHost(name, port, view));
      return;
    }
    forward(request, response, agentOf(request.socket, name));
  };
  server.on('request', respond);
  server.on('checkContinue', respond);
  server.on('upgrade', (request, client, head) => {
    void tunnel(request, client as Socket, head, port, view);
  });
  server.on('clientError', (_error, client) => {
    if (client.writable)
      client.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    else client.destroy();
  });
  return server;
}
