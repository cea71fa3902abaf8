import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  API_SERVER_SETTINGS,
  type ApiOptions,
  type Call,
  createApiHandler,
  type IssuedKey,
  type Origin,
} from '../src/index.ts';

export const ROOT = {
  accountId: '000000000000',
  arn: 'arn:aws:iam::000000000000:root',
  userId: '000000000000',
};

export const ALICE: IssuedKey = {
  secretAccessKey: 'alices-secret',
  principal: { accountId: '000000000000', arn: 'arn:aws:iam::000000000000:user/alice', userId: 'AIDAALICE' },
};

export type Operations = Record<string, (call: Call) => unknown>;

export interface ToyRegion extends AsyncDisposable {
  readonly endpoint: string;
  readonly port: number;
  readonly calls: Call[];
  readonly log: string[];
}

export interface ToyOptions extends Partial<Omit<ApiOptions, 'backend' | 'authenticator'>> {
  readonly keys?: Record<string, IssuedKey>;
  readonly origin?: Origin;
}

/** A server on loopback whose operations are the given functions, by 'service:Operation'. */
export async function startToyRegion(operations: Operations, options: ToyOptions = {}): Promise<ToyRegion> {
  const { keys = { AKIAALICE: ALICE }, origin = 'loopback', ...rest } = options;
  const calls: Call[] = [];
  const log: string[] = [];
  const handler = createApiHandler({
    backend: {
      serves: (service, operation) => Object.hasOwn(operations, `${service}:${operation}`),
      async handle(call) {
        calls.push(call);
        return operations[`${call.service}:${call.operation}`]!(call);
      },
    },
    authenticator: { root: ROOT, lookup: (id) => (Object.hasOwn(keys, id) ? keys[id] : undefined) },
    now: () => Date.now(),
    newRequestId: () => randomUUID(),
    strictAuth: false,
    log: (line) => log.push(line),
    ...rest,
  });
  const server = createServer(API_SERVER_SETTINGS, (request, response) => handler(request, response, origin));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    calls,
    log,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What every SDK client of a test is made with. */
export function clientSettings(
  region: ToyRegion,
  credentials = { accessKeyId: 'test', secretAccessKey: 'test' },
) {
  return { endpoint: region.endpoint, region: 'us-west-2', credentials, maxAttempts: 1 };
}
