import { linuxCompute } from '@holdfast/linux/compute/index.ts';
import { type Command, UsageError } from '../command.ts';
import { instanceNamed } from '../instance.ts';
import { placeOf, placeOptions } from '../place.ts';

export const exec: Command = {
  name: 'exec',
  usage: '<instance> -- <command> [arguments]',
  summary: 'run a command as root in an instance',
  details: 'The instance is named by its id or its Name tag. The exit code is the command’s own.',
  options: placeOptions,
  async run(given) {
    const [named, command, ...rest] = given.words;
    if (named === undefined || command === undefined)
      throw new UsageError('exec <instance> -- <command> [arguments]');
    const place = placeOf(given);
    const compute = linuxCompute(place.layout);
    try {
      return await compute.exec(await instanceNamed(place, named), [command, ...rest], { stdio: 'inherit' });
    } finally {
      compute.close();
    }
  },
};
