/** A region as the stock SDK reaches it: over HTTP, through the wire's models and back. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApiHandler } from '@holdfast/wire';
import type { Region } from '../src/region.ts';
import { ec2World, principal, REGION, type WorldOptions } from './ec2-world.ts';

/** Serves a region on a port of loopback; `errors` takes the lines that a fault of its own would log. */
export async function serve(region: Region, errors: unknown[]) {
  const handler = createApiHandler({
    backend: {
      serves: (service, operation) => region.serves(service, operation),
      handle: (call) => region.handle({ ...call, principal }),
    },
    authenticator: { root: principal, lookup: () => undefined },
    now: Date.now,
    newRequestId: randomUUID,
    strictAuth: false,
    log: (line) => errors.push(line),
  });
  const server = createServer((request, response) => handler(request, response, 'loopback'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    /** What an SDK client is made with. */
    settings: {
      region: REGION,
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await region.stop();
    },
  };
}

export async function servedWorld(options: WorldOptions = {}) {
  const world = await ec2World(options);
  return { ...world, ...(await serve(world.region, world.errors)) };
}
