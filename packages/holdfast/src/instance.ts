/** Finds the instance that a person means. */
import { Refusal } from './command.ts';
import { regionStatus } from './commands/status.ts';
import type { Place } from './place.ts';

/** The id of a running instance by its id or its Name tag. An id needs no control process. */
export async function instanceNamed(place: Place, named: string): Promise<string> {
  if (/^i-[0-9a-f]{17}$/.test(named)) return named;
  const { instances = [] } = await regionStatus(place);
  const found = instances.filter((one) => one.name === named && one.state === 'running');
  if (found.length > 1) {
    throw new Refusal(
      `${found.length} running instances are called ${named}: ${found.map((one) => one.id).join(', ')}`,
    );
  }
  const only = found[0];
  if (!only) throw new Refusal(`there is no running instance ${named}; holdfast status lists them`);
  return only.id;
}

/** Where an instance is, as far as the region knows it. */
export async function regionOfInstance(place: Place, id: string): Promise<string | undefined> {
  const { instances = [] } = await regionStatus(place);
  return instances.find((one) => one.id === id)?.region;
}
