import type { Command } from '../command.ts';
import { prepareMachine } from '../machine.ts';
import { placeOf, placeOptions } from '../place.ts';

export const setup: Command = {
  name: 'setup',
  usage: '',
  summary: 'install the Debian packages that real instances need, and build the base image (as root)',
  options: placeOptions,
  async run(given) {
    await prepareMachine(placeOf(given).layout);
    console.log('Ready. npx holdfast up --detach');
    return 0;
  },
};
