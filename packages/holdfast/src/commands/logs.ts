import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Command, Refusal, UsageError } from '../command.ts';
import { machineNamed } from '../instance.ts';
import { placeOf, placeOptions } from '../place.ts';

export const logs: Command = {
  name: 'logs',
  usage: '<instance> [--follow]',
  summary: "show an instance's console: its boot and the output of its user data",
  options: { ...placeOptions, follow: { type: 'boolean', help: 'go on as the instance writes more' } },
  async run(given) {
    const [named] = given.words;
    if (named === undefined) throw new UsageError('logs <instance> [--follow]');
    const { id, machine } = await machineNamed(placeOf(given), named);
    const path = machine.consolePath;
    if (!existsSync(path)) throw new Refusal(`there is no console of ${id}`);
    const follow = given.flag('follow') ? ['-F'] : [];
    const child = spawn('tail', ['-n', '+1', ...follow, path], { stdio: 'inherit' });
    return new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 0));
    });
  },
};
