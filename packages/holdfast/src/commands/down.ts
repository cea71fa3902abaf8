import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { startTicksOf } from '@holdfast/linux/host/process.ts';
import type { Command } from '../command.ts';
import { livingControl, removeControlRecord } from '../control/record.ts';
import { removeFromMachine } from '../machine.ts';
import { type Place, placeOf, placeOptions } from '../place.ts';
import { step } from '../progress.ts';

/** Ends the control process; by force when it does not end within ten seconds. */
export async function stopControl(place: Place): Promise<boolean> {
  const record = livingControl(place);
  if (!record) return false;
  process.kill(record.pid, 'SIGTERM');
  const lives = (): boolean => startTicksOf(record.pid) === record.startTicks;
  for (let waited = 0; lives() && waited < 10_000; waited += 20) await delay(20);
  if (lives()) process.kill(record.pid, 'SIGKILL');
  while (lives()) await delay(20);
  removeControlRecord(place);
  return true;
}

/** Removes everything that a region made on this machine. */
export async function takeDown(place: Place, keepState: boolean): Promise<void> {
  await stopControl(place);
  if (process.getuid?.() === 0) await removeFromMachine(place.layout, keepState);
  rmSync(place.layout.runDirectory, { recursive: true, force: true });
  if (!keepState) rmSync(place.layout.stateDirectory, { recursive: true, force: true });
}

export const down: Command = {
  name: 'down',
  usage: '[--keep-state]',
  summary: 'end the region and remove everything it made on this machine',
  options: {
    ...placeOptions,
    'keep-state': { type: 'boolean', help: 'keep the store and the disks: up finds the instances stopped' },
  },
  async run(given) {
    const place = placeOf(given);
    await step('Taking the region down', () => takeDown(place, given.flag('keep-state')));
    console.log(
      given.flag('keep-state')
        ? 'The region is down. Its state is kept.'
        : 'The region is down. Nothing is left.',
    );
    return 0;
  },
};
