/**
 * The instance metadata service of one VPC, versions 1 and 2. Who asks is known from the VPC whose router listens and
 * from the source address, which the router has checked.
 */

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { Socket } from 'node:net';
import type { InstanceMetadata } from '@holdfast/region/drivers/edge.ts';
import { type ImdsTokens, LONGEST_TOKEN_SECONDS } from './imds-tokens.ts';
import {
  findMetadata,
  listMetadata,
  type MetadataFolder,
  metadataTree,
  type PushedKeys,
} from './imds-tree.ts';

export interface ImdsService {
  /** The instance that has this address in this VPC. */
  readonly instance: (vpcId: string, address: string) => InstanceMetadata | undefined;
  readonly pushedKeys: (instanceId: string) => PushedKeys;
  readonly tokens: ImdsTokens;
  /** Sets how many hops what is sent on a connection may go; false when that cannot be set. */
  readonly setHopLimit: (connection: Socket, hops: number) => boolean;
}

/** What the service answers to one request. */
export interface ImdsAnswer {
  readonly status: number;
  readonly body: string | Uint8Array;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** This answer is a token: it may go so many hops. */
  readonly hopLimit?: number;
}

export interface ImdsRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

const TOKEN_PATH = '/latest/api/token';
const TTL_HEADER = 'x-aws-ec2-metadata-token-ttl-seconds';
const TOKEN_HEADER = 'x-aws-ec2-metadata-token';

const trees = new WeakMap<InstanceMetadata, MetadataFolder>();

/** An instance's tree is made when it is first asked for: most of it is asked for in one go, at boot. */
function treeOf(metadata: InstanceMetadata, keys: PushedKeys): MetadataFolder {
  // Keys come and go within a minute: a tree with some is made for one answer.
  if (keys.size > 0) return metadataTree(metadata, keys);
  const known = trees.get(metadata);
  if (known) return known;
  const tree = metadataTree(metadata);
  trees.set(metadata, tree);
  return tree;
}

function failure(status: number): ImdsAnswer {
  const title = `${status} - ${STATUS_CODES[status]}`;
  const body = `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head><title>${title}</title></head>
 <body><h1>${title}</h1></body>
</html>
`;
  return { status, body, contentType: 'text/html' };
}

const text = (body: string, headers?: ImdsAnswer['headers']): ImdsAnswer => ({
  status: 200,
  body,
  contentType: 'text/plain',
  ...(headers && { headers }),
});

function answerToken(request: ImdsRequest, metadata: InstanceMetadata, tokens: ImdsTokens): ImdsAnswer {
  if (request.method !== 'PUT') return failure(405);
  // A token must not be had through an open proxy: proxies add this header.
  if (request.headers['x-forwarded-for'] !== undefined) return failure(403);
  const ttl = request.headers[TTL_HEADER];
  if (typeof ttl !== 'string' || !/^\d{1,5}$/.test(ttl.trim())) return failure(400);
  const seconds = Number(ttl);
  if (seconds < 1 || seconds > LONGEST_TOKEN_SECONDS) return failure(400);
  return {
    ...text(tokens.issue(metadata.instanceId, seconds), { [TTL_HEADER]: String(seconds) }),
    hopLimit: metadata.options.hopLimit,
  };
}

/** The answer to one request of one instance (undefined: of nobody's address). */
export function answerMetadata(
  request: ImdsRequest,
  metadata: InstanceMetadata | undefined,
  tokens: ImdsTokens,
  keys: PushedKeys = new Map(),
): ImdsAnswer {
  if (!metadata) return failure(404);
  if (metadata.options.endpoint === 'disabled') return failure(403);
  let path: string;
  try {
    path = decodeURIComponent(request.path.split('?', 1)[0]!);
  } catch {
    return failure(400);
  }
  if (path.replace(/\/+$/, '') === TOKEN_PATH) return answerToken(request, metadata, tokens);
  if (request.method !== 'GET' && request.method !== 'HEAD') return failure(405);

  const token = request.headers[TOKEN_HEADER];
  let headers: Record<string, string> | undefined;
  if (token !== undefined) {
    const remaining = tokens.remainingSeconds(String(token), metadata.instanceId);
    if (remaining === undefined) return failure(401);
    headers = { [TTL_HEADER]: String(remaining) };
  } else if (metadata.options.tokens === 'required') {
    return failure(401);
  }
  const node = findMetadata(treeOf(metadata, keys), path);
  if (node === undefined) return failure(404);
  if (typeof node === 'string') return text(node, headers);
  if (node instanceof Uint8Array)
    return { status: 200, body: node, contentType: 'application/octet-stream', ...(headers && { headers }) };
  return text(listMetadata(node, path), headers);
}

const DEFAULT_HOPS = 64;
const MOST_CONNECTIONS = 1_024;

/** An HTTP server for one VPC; it listens nowhere yet. */
export function imdsServer(vpcId: string, service: ImdsService): Server {
  const limited = new WeakSet<Socket>();
  const respond = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    const metadata = service.instance(vpcId, request.socket.remoteAddress ?? '');
    const answer = answerMetadata(
      { method: request.method ?? 'GET', path: request.url ?? '/', headers: request.headers },
      metadata,
      service.tokens,
      metadata && service.pushedKeys(metadata.instanceId),
    );
    if (answer.hopLimit !== undefined) {
      if (service.setHopLimit(request.socket, answer.hopLimit)) limited.add(request.socket);
    } else if (limited.delete(request.socket)) {
      // Only the token itself is kept near; what the same connection asks next may go as far as anything.
      service.setHopLimit(request.socket, DEFAULT_HOPS);
    }
    response.writeHead(answer.status, {
      ...answer.headers,
      'Content-Type': answer.contentType,
      'Content-Length': Buffer.byteLength(answer.body),
      Server: 'EC2ws',
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  };
  const server = createServer({ keepAliveTimeout: 10_000, headersTimeout: 5_000, requestTimeout: 10_000 });
  server.maxConnections = MOST_CONNECTIONS;
  server.on('request', respond);
  server.on('clientError', (_error, connection) => connection.destroy());
  return server;
}
