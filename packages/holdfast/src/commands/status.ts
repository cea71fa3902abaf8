import { edgeStatus } from '@holdfast/linux/edge/index.ts';
import type { Command } from '../command.ts';
import { livingControl, readControlRecord } from '../control/record.ts';
import type { RunningThings } from '../control/routes.ts';
import { type Place, placeOf, placeOptions } from '../place.ts';
import { version } from '../version.ts';

export interface RegionStatus extends Partial<RunningThings> {
  readonly version: string;
  readonly up: boolean;
  readonly endpoint?: string;
  readonly driver?: string;
  readonly control?: { readonly pid: number; readonly startedAt: string };
  readonly edge?: { readonly pid: number };
}

export async function regionStatus(place: Place): Promise<RegionStatus> {
  const edge = edgeStatus(place.layout);
  const shownEdge = edge && { edge: { pid: edge.pid } };
  const record = livingControl(place);
  if (!record) return { version, up: false, ...shownEdge };
  const { endpoint, driver, pid, startedAt } = record;
  const answer = await fetch(`${endpoint}/_holdfast/status`, { signal: AbortSignal.timeout(10_000) });
  const running = (await answer.json()) as RunningThings & { version: string };
  return { up: true, endpoint, driver, control: { pid, startedAt }, ...shownEdge, ...running };
}

function inWords(status: RegionStatus): string {
  const lines = [
    `region   ${status.endpoint} (version ${status.version}, driver ${status.driver})`,
    `control  process ${status.control?.pid}, since ${status.control?.startedAt}`,
    `edge     ${status.edge ? `process ${status.edge.pid}` : 'not running'}`,
    `VPCs     ${status.vpcs}`,
  ];
  const instances = status.instances ?? [];
  const typeWidth = Math.max(...instances.map(({ type }) => type.length));
  for (const { id, state, type, host, name = '' } of instances) {
    lines.push(`         ${id}  ${state.padEnd(13)} ${type.padEnd(typeWidth)}  ${host}  ${name}`.trimEnd());
  }
  for (const node of status.loadBalancerNodes ?? []) {
    lines.push(`         load balancer node ${node.id}  ${node.running ? 'running' : 'dead'}`);
  }
  return lines.join('\n');
}

export const status: Command = {
  name: 'status',
  usage: '[--json]',
  summary: 'say whether the region is up, and what runs',
  details: 'Exit code 0 when the region is up, 3 when it is not.',
  options: {
    ...placeOptions,
    json: { type: 'boolean', help: 'endpoint, version, driver, control, edge and what runs, as JSON' },
  },
  async run(given) {
    const place = placeOf(given);
    const found = await regionStatus(place);
    if (given.flag('json')) console.log(JSON.stringify(found, undefined, 2));
    else if (found.up) console.log(inWords(found));
    else {
      const died = readControlRecord(place) !== undefined || found.edge !== undefined;
      console.log(
        died
          ? 'The control process is dead; what ran goes on running. npx holdfast up --detach takes it over again.'
          : 'No region is up. Start one: npx holdfast up --detach',
      );
    }
    return found.up ? 0 : 3;
  },
};
