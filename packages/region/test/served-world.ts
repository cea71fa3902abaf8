/** A region as the stock SDK reaches it: over HTTP, through the wire's models and back. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApiHandler } from '@holdfast/wire';
import { ec2World, principal, REGION, type WorldOptions } from './ec2-world.ts';

export async function servedWorld(options: WorldOptions = {}) {
  const world = await ec2World(options);
  const handler = createApiHandler({
    backend: {
      serves: (service, operation) => world.region.serves(service, operation),
      handle: (call) => world.region.handle({ ...call, principal }),
    },
    authenticator: { root: principal, lookup: () => undefined },
    now: Date.now,
    newRequestId: randomUUID,
    strictAuth: false,
    log: (line) => world.errors.push(line),
  });
  const server = createServer((request, response) => handler(request, response, 'loopback'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...world,
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
      await world.region.stop();
    },
  };
}
