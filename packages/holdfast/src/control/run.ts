/** The control process: store, API and control loops, until it is told to end. What runs goes on without it. */

import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { linuxDrivers } from '@holdfast/linux';
import { type VpcListeners, vpcListeners } from '@holdfast/linux/edge/vpc-listeners.ts';
import { listenTcp } from '@holdfast/linux/host/namespace-sockets.ts';
import { startTicksOf } from '@holdfast/linux/host/process.ts';
import { serviceAddresses } from '@holdfast/linux/layout.ts';
import { type Drivers, type Log, lineLog, Region, systemClock } from '@holdfast/region';
import { simDrivers } from '@holdfast/region/drivers/sim/index.ts';
import { vpcs } from '@holdfast/region/services/ec2/records.ts';
import { API_SERVER_SETTINGS, type ApiHandler } from '@holdfast/wire';
import { Refusal } from '../command.ts';
import type { DriverName, Place } from '../place.ts';
import { version } from '../version.ts';
import { faultRoutes } from './faults.ts';
import { imageRoutes } from './images.ts';
import { apiHandler, listenOnHost } from './listen.ts';
import { livingControl, removeControlRecord, writeControlRecord } from './record.ts';
import { healthRoutes } from './routes.ts';

export interface ControlOptions {
  readonly place: Place;
  readonly driver: DriverName;
  readonly host: string;
  readonly port: number;
  readonly strictAuth: boolean;
  readonly speed: number;
  /** Names of load balancers end in this. */
  readonly loadBalancerSuffix: string;
  readonly hostsPerZone: number;
  /** What unknown image ids stand for. */
  readonly unknownAmi: string | undefined;
}

export interface RunningControl {
  readonly endpoint: string;
  stop(): Promise<void>;
}

type DataPlane = Drivers & { start?: () => Promise<void>; close?: () => Promise<void> };

/** Starts the control process's work in this process. Resolves when the API answers. */
export async function runControl(options: ControlOptions): Promise<RunningControl> {
  const { place, driver } = options;
  const already = livingControl(place);
  if (already) throw new Refusal(`this region is up already: ${already.endpoint}, process ${already.pid}`);
  const clock = systemClock(options.speed);
  const log = lineLog((line) => process.stderr.write(`${line}\n`), clock.now);
  const drivers: DataPlane =
    driver === 'sim' ? simDrivers(clock) : linuxDrivers(place.layout, { log, clock, speed: options.speed });
  const folder = driver === 'sim' ? join(place.layout.stateDirectory, 'sim') : place.layout.stateDirectory;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { publicCidr } = place.layout;
  const region = new Region({
    clock,
    drivers,
    log,
    storeFile: join(folder, 'store.db'),
    settings: {
      publicCidr,
      loadBalancerSuffix: options.loadBalancerSuffix,
      hostsPerZone: options.hostsPerZone,
      ...(options.unknownAmi !== undefined && { unknownAmi: options.unknownAmi }),
    },
  });
  const routes = {
    ...healthRoutes({ region, drivers, driver, place }),
    ...faultRoutes(region),
    ...imageRoutes(region, drivers),
  };
  const handler = apiHandler({
    region,
    strictAuth: options.strictAuth,
    regionNow: clock.now,
    routes,
    log: (line) => log.error(line),
  });
  const server = await listenOnHost(handler, options.host, options.port);
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : options.port;
  const endpoint = `http://${options.host === '0.0.0.0' || options.host === '::' ? '127.0.0.1' : options.host}:${port}`;
  const startTicks = startTicksOf(process.pid) ?? '';
  const startedAt = new Date().toISOString();
  const { speed } = options;
  const record = { pid: process.pid, startTicks, endpoint, version, driver, speed, startedAt };
  writeControlRecord(place, { ...record, loops: 'starting' });
  log.info('the API answers', { endpoint, driver, version });

  const inVpcs = driver === 'linux' ? serveVpcs(place, region, handler, log) : undefined;
  const started = (async () => {
    await drivers.start?.();
    await region.start();
    writeControlRecord(place, { ...record, loops: 'running' });
  })();
  started.catch((error: unknown) => {
    log.error('the control loops could not start', { error });
    process.exit(1);
  });

  return {
    endpoint,
    async stop() {
      await started;
      server.close();
      server.closeAllConnections();
      inVpcs?.close();
      await region.stop();
      await drivers.close?.();
      removeControlRecord(place);
    },
  };
}

/** Keeps the API listening in each VPC that the store knows; a listener opens as soon as the VPC's router is there. */
function serveVpcs(place: Place, region: Region, handler: ApiHandler, log: Log): VpcListeners {
  const listeners = vpcListeners(place.layout, {
    log: (message, cause) => log.error(message, { error: cause }),
    open: (vpcId, namespace) => {
      const server = createServer(API_SERVER_SETTINGS, (request, response) =>
        handler(request, response, { vpcId, address: request.socket.remoteAddress ?? '' }),
      );
      server.listen({ fd: listenTcp(namespace, serviceAddresses.api, 4566) });
      return {
        close() {
          server.close();
          server.closeAllConnections();
        },
      };
    },
  });
  const sync = (): void => listeners.sync(new Map(region.store.everywhere(vpcs).map(({ id }) => [id, ''])));
  region.store.onCommit((changes) => {
    if (changes.some(({ resource }) => resource.kind === vpcs.kind)) sync();
  });
  sync();
  return listeners;
}
