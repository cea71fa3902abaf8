/** The API's listeners: one on loopback for this machine, one in every VPC for its instances. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Region } from '@holdfast/region';
import {
  API_SERVER_SETTINGS,
  type ApiHandler,
  createApiHandler,
  type Origin,
  type PlainRoute,
} from '@holdfast/wire';
import { Refusal } from '../command.ts';

export interface ApiSettings {
  readonly region: Region;
  readonly strictAuth: boolean;
  readonly regionNow: () => number;
  readonly routes: Readonly<Record<string, PlainRoute>>;
  readonly log: (line: string) => void;
}

export function apiHandler({ region, strictAuth, regionNow, routes, log }: ApiSettings): ApiHandler {
  const { accountId } = region.settings;
  const root = { accountId, arn: `arn:aws:iam::${accountId}:root`, userId: accountId };
  return createApiHandler({
    backend: {
      serves: (service, operation) => region.serves(service, operation),
      handle: (call) => region.handle({ ...call, principal: call.principal ?? root }),
    },
    authenticator: { root, lookup: (accessKeyId) => region.accessKey(accessKeyId) },
    now: Date.now,
    regionNow,
    newRequestId: randomUUID,
    strictAuth,
    routes,
    log,
  });
}

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && (/^(::ffff:)?127\./.test(address) || address === '::1');

/**
 * Listens for this machine. A caller from any other address, where the user has asked for that, gets in like an instance:
 * with a key that the region issued.
 */
export async function listenOnHost(handler: ApiHandler, host: string, port: number): Promise<Server> {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const address = request.socket.remoteAddress;
    const origin: Origin = isLoopback(address) ? 'loopback' : { vpcId: 'none', address: address ?? '' };
    handler(request, response, origin);
  };
  const server = createServer(API_SERVER_SETTINGS, answer);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(taken ? new Refusal(`port ${port} on ${host} is taken; choose another: --port <port>`) : error);
    });
    server.listen(port, host, resolve);
  });
  return server;
}
