/**
 * A socket in each machine, on which its root asks for what it has no right to do itself: see `volumes/requests.ts`. The
 * edge answers, so that volumes can be mounted while control is dead.
 *
 * Wanted: a socket for each machine that runs. Observed: the machines' run folders. Looked at when something changes
 * there, and four times a second.
 */
import { chmodSync, existsSync, type FSWatcher, rmSync, watch } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { isMachineId, type MachinePaths, machinePaths } from '../compute/record.ts';
import { entriesOf } from '../host/files.ts';
import { atMost, inTurns } from '../host/turns.ts';
import type { HostLayout } from '../layout.ts';
import { serveRequest } from '../volumes/requests.ts';
import type { EdgeLog } from './edge-log.ts';

const LOOK_MS = 250;
/** Of one request, longer than two paths and all options together. */
const LONGEST_REQUEST = 16_384;
/** At the same time in one machine: more wait, refused by the kernel when the queue of its socket is full. */
const CONNECTIONS = 8;
const REQUEST_TIMEOUT_MS = 5_000;
/** Threads that mount at the same time, over all machines. */
const MOUNTING = 4;

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  let body = '';
  request.setEncoding('utf8');
  for await (const text of request) {
    body += text;
    if (body.length > LONGEST_REQUEST) return undefined;
  }
  return body;
}

export interface MachineRequests {
  close(): void;
}

export function machineRequests(layout: HostLayout, log: EdgeLog): MachineRequests {
  const servers = new Map<string, Server>();
  // One thing after the other in each machine: what is mounted must not change under a check.
  const inTurn = inTurns();
  const mounting = atMost(MOUNTING);
  const folder = join(layout.runDirectory, 'machines');
  let watcher: FSWatcher | undefined;

  async function answer(id: string, paths: MachinePaths, request: IncomingMessage, response: ServerResponse) {
    const body = request.method === 'POST' ? await bodyOf(request) : undefined;
    if (body === undefined) return void response.writeHead(400).end('no request that is understood');
    const operation = (request.url ?? '/').slice(1);
    const asked = new URLSearchParams(body);
    const failure = await inTurn(id, () => mounting(() => serveRequest(paths, operation, asked)));
    const done = `${operation.slice(0, 20)} ${asked.get('target')?.slice(0, 200)}${failure ? `: ${failure}` : ''}`;
    // In the guest's words, which must not become lines of ours.
    log(`${id}: ${done.replaceAll(/\p{Cc}/gu, ' ')}`);
    response.writeHead(failure === undefined ? 200 : 409).end(failure ?? '');
  }

  const open = (id: string, paths: MachinePaths, path: string): void => {
    servers.get(id)?.close();
    rmSync(path, { force: true });
    const server = createServer((request, response) => {
      answer(id, paths, request, response).catch((error: unknown) => {
        log(`a request of ${id}`, error);
        if (!response.headersSent) response.writeHead(500);
        response.end('the host could not do it');
      });
    });
    server.maxConnections = CONNECTIONS;
    server.headersTimeout = REQUEST_TIMEOUT_MS;
    server.requestTimeout = REQUEST_TIMEOUT_MS;
    server.on('error', (error) => log(`requests of ${id}`, error));
    // The machine's own root alone, not that of a namespace made in it.
    server.listen(path, () => existsSync(path) && chmodSync(path, 0o600));
    servers.set(id, server);
  };

  const look = (): void => {
    const ids = entriesOf(folder).filter(isMachineId);
    for (const id of ids) {
      const paths = machinePaths(layout, id);
      const path = join(paths.requests, 'volumes');
      // Made anew at each boot, and without a socket then.
      if (existsSync(paths.requests) && !existsSync(path)) open(id, paths, path);
    }
    for (const [id, server] of servers) {
      if (ids.includes(id)) continue;
      server.close();
      servers.delete(id);
    }
    watchFolder();
  };
  const lookSafely = (): void => {
    try {
      look();
    } catch (error) {
      log('looking for machines', error);
    }
  };
  // An earlier edge's sockets have nobody behind them.
  for (const id of entriesOf(folder).filter(isMachineId))
    rmSync(join(machinePaths(layout, id).requests, 'volumes'), { force: true });

  function watchFolder(): void {
    if (watcher || !existsSync(folder)) return;
    try {
      watcher = watch(folder, { persistent: false }, () => setTimeout(lookSafely, 20).unref());
      watcher.on('error', () => {
        watcher?.close();
        watcher = undefined;
      });
    } catch {
      // The timer has to do.
      watcher = undefined;
    }
  }
  lookSafely();
  const timer = setInterval(lookSafely, LOOK_MS).unref();

  return {
    close() {
      clearInterval(timer);
      watcher?.close();
      for (const server of servers.values()) {
        server.close();
        server.closeAllConnections();
      }
      servers.clear();
    },
  };
}
