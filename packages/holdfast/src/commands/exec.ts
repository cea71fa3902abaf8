import { type Command, UsageError } from '../command.ts';
import { runningMachineNamed } from '../instance.ts';
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
    const { machine } = await runningMachineNamed(placeOf(given), named);
    return machine.exec([command, ...rest], { stdio: 'inherit' });
  },
};
