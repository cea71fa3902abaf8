/** The front door's servers: one for each address and port, opened and closed as load balancers come and go. */
import type { Server } from 'node:http';
import type { EdgeLog } from './edge-log.ts';
import { type FrontDoorView, frontDoorServer } from './front-door.ts';

export interface FrontDoors {
  /** Makes these the ports that are listened on. A port that somebody else has is tried again now and then. */
  sync(ports: ReadonlySet<number>): void;
  close(): void;
}

const RETRY_MS = 5_000;

interface Door {
  server: Server | undefined;
  retry: NodeJS.Timeout | undefined;
  complaint: string;
}

export function frontDoors(addresses: readonly string[], view: FrontDoorView, log: EdgeLog): FrontDoors {
  const doors = new Map<`${string} ${number}`, Door>();

  const listen = (door: Door, address: string, port: number): void => {
    const server = frontDoorServer(port, view);
    door.server = server;
    server.on('error', (error: NodeJS.ErrnoException) => {
      server.close();
      if (door.server !== server) return;
      door.server = undefined;
      // A machine without IPv6 has no such address, now or later.
      if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') return;
      const reason =
        error.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be had (${error.code})`;
      if (door.complaint !== reason)
        log(
          `front door: ${address} port ${port} ${reason}; load balancers are still reached by their nodes' addresses`,
        );
      door.complaint = reason;
      door.retry = setTimeout(() => listen(door, address, port), RETRY_MS).unref();
    });
    server.once('listening', () => {
      door.complaint = '';
    });
    server.listen({ host: address, port, ipv6Only: true });
  };
  const close = (key: `${string} ${number}`, door: Door): void => {
    doors.delete(key);
    clearTimeout(door.retry);
    door.server?.close();
    door.server?.closeAllConnections();
    door.server = undefined;
  };

  return {
    sync(ports) {
      const wanted = new Map(
        [...ports].flatMap((port) =>
          addresses.map((address) => [`${address} ${port}`, { address, port }] as const),
        ),
      );
      for (const [key, door] of doors) if (!wanted.has(key)) close(key, door);
      for (const [key, { address, port }] of wanted) {
        if (doors.has(key)) continue;
        const door: Door = { server: undefined, retry: undefined, complaint: '' };
        doors.set(key, door);
        listen(door, address, port);
      }
    },
    close() {
      for (const [key, door] of [...doors]) close(key, door);
    },
  };
}
