import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, Refusal, UsageError } from '../command.ts';
import { runningMachineNamed } from '../instance.ts';
import { type Place, placeOf, placeOptions } from '../place.ts';

/** A key of this region's own, made once; instances take it for the moment of one login only. */
function loginKey(place: Place): string {
  const directory = join(place.layout.runDirectory, 'ssh');
  const path = join(directory, 'id_ed25519');
  if (existsSync(path)) return path;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const made = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'holdfast', '-f', path], {
    stdio: 'inherit',
  });
  if (made.status !== 0) throw new Refusal('ssh-keygen did not work. Get it: apt-get install openssh-client');
  return path;
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/**
 * SSH needs no network here: the instance's own sshd serves this one connection over the pipe of an exec, so that a
 * private instance, or one whose security groups are shut, can be entered all the same.
 */
export const ssh: Command = {
  name: 'ssh',
  usage: '<instance> [-- <command>]',
  summary: 'log in to an instance as admin, whatever its network lets through',
  options: {
    ...placeOptions,
    user: { type: 'string', value: '<admin>', help: 'who logs in, where the image has another user' },
  },
  async run(given) {
    const [named, ...words] = given.words;
    if (named === undefined) throw new UsageError('ssh <instance> [-- <command>]');
    const user = given.text('user') ?? 'admin';
    if (!/^[a-z_][a-z0-9_-]{0,30}$/.test(user)) throw new UsageError(`--user ${user} is no name of a user`);
    const place = placeOf(given);
    const { id, machine } = await runningMachineNamed(place, named);
    const key = loginKey(place);
    const publicKey = readFileSync(`${key}.pub`, 'utf8').trim();
    const folder = '/run/holdfast-ssh';
    const prepare = `mkdir -p /run/sshd ${folder} && printf '%s\\n' ${quoted(publicKey)} > ${folder}/authorized_keys`;
    const ready = await machine.exec(['sh', '-c', prepare], { stdio: 'ignore' });
    if (ready !== 0) throw new Refusal(`the instance ${id} could not take the key`);
    const main = fileURLToPath(new URL('../main.ts', import.meta.url));
    const own = [process.execPath, main, 'exec', '--prefix', place.layout.prefix, id, '--'];
    const daemon = ['/usr/sbin/sshd', '-i', '-o', `AuthorizedKeysFile=${folder}/authorized_keys`];
    const options = [
      `ProxyCommand=${[...own, ...daemon].map(quoted).join(' ')}`,
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'LogLevel=ERROR',
      'IdentitiesOnly=yes',
    ];
    const child = spawn(
      'ssh',
      [...options.flatMap((option) => ['-o', option]), '-i', key, `${user}@${id}`, ...words],
      {
        stdio: 'inherit',
      },
    );
    return new Promise<number>((resolve, reject) => {
      child.once('error', (error) =>
        reject(new Refusal(`ssh: ${error.message}. Get it: apt-get install openssh-client`)),
      );
      child.once('close', (code) => resolve(code ?? 255));
    });
  },
};
