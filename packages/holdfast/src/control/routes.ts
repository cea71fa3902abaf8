/** What the control process answers besides AWS's APIs: is it well, and what runs. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Drivers, Region } from '@holdfast/region';
import { instances } from '@holdfast/region/services/ec2/records.ts';
import type { Origin, PlainRoute } from '@holdfast/wire';
import type { DriverName, Place } from '../place.ts';
import { version } from '../version.ts';
import { json } from './json.ts';

export interface RunningInstance {
  readonly id: string;
  readonly region: string;
  readonly name?: string;
  readonly state: string;
  readonly type: string;
  readonly zone: string;
  /** The logical host it lives on, such as `us-west-2a-h1`. */
  readonly host: string;
}

export interface RunningThings {
  readonly instances: readonly RunningInstance[];
  readonly loadBalancerNodes: readonly { id: string; running: boolean }[];
  readonly vpcs: number;
}

interface RoutesOptions {
  readonly region: Region;
  readonly drivers: Drivers;
  readonly driver: DriverName;
  readonly place: Place;
}

export function healthRoutes({ region, drivers, driver }: RoutesOptions): Record<string, PlainRoute> {
  const health: PlainRoute = (_request, response) => {
    // The shape that scripts made for LocalStack wait for.
    const served = Object.fromEntries(region.serviceNames().map((name) => [name, 'running']));
    json(response, 200, { services: served, edition: 'holdfast', version });
  };
  const status: PlainRoute = async (_request: IncomingMessage, response: ServerResponse, origin: Origin) => {
    if (origin !== 'loopback') return json(response, 403, { message: 'from this machine only' });
    json(response, 200, { version, driver, ...(await runningThings(region, drivers)) });
  };
  return {
    'GET /_localstack/health': health,
    'GET /_holdfast/health': health,
    'GET /_holdfast/status': status,
  };
}

async function runningThings(region: Region, drivers: Drivers): Promise<RunningThings> {
  const living = region.store.everywhere(instances).filter((one) => one.status.state !== 'terminated');
  return {
    instances: living.map((one) => ({
      id: one.id,
      region: one.region,
      ...(one.tags.Name !== undefined && { name: one.tags.Name }),
      state: one.status.state,
      type: one.spec.instanceType,
      zone: one.spec.zone,
      host: one.spec.hostId,
    })),
    loadBalancerNodes: await drivers.loadBalancer.list(),
    vpcs: (await drivers.network.list()).length,
  };
}
