/** Finds the instance that a person means. */
import { type OneMachine, openMachine } from '@holdfast/linux/compute/index.ts';
import { Refusal } from './command.ts';
import { regionStatus } from './commands/status.ts';
import { livingControl } from './control/record.ts';
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

/** The machine of an instance, for a command that looks into it. Throws `Refusal` where there is none to look into. */
export async function machineNamed(
  place: Place,
  named: string,
): Promise<{ id: string; machine: OneMachine }> {
  if (livingControl(place)?.driver === 'sim')
    throw new Refusal('the instances of this region are simulated: there is nothing inside them');
  if (process.getuid?.() !== 0)
    throw new Refusal('only root gets into an instance this way: run it as root, or with sudo');
  const id = await instanceNamed(place, named);
  return { id, machine: openMachine(place.layout, id) };
}

/** Likewise, for a command that is to run inside: only a running instance will do. */
export async function runningMachineNamed(
  place: Place,
  named: string,
): Promise<{ id: string; machine: OneMachine }> {
  const found = await machineNamed(place, named);
  if (!found.machine.isRunning()) throw new Refusal(`the instance ${found.id} does not run`);
  return found;
}
