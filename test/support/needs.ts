/** What a test needs of the machine, and why it skips without it. */
import { spawnSync } from 'node:child_process';
import { listBaseImages } from '@holdfast/linux/compute/index.ts';
import { hostLayout } from '@holdfast/linux/layout.ts';
import { missingHere } from '../../packages/holdfast/src/machine.ts';

/** A reason to skip what needs real instances; false when they can run here. */
export async function withoutInstances(): Promise<string | false> {
  const missing = await missingHere();
  if (missing.length > 0)
    return `no real instances here: ${missing.map((one) => one.what).join(', ')} missing`;
  return listBaseImages(hostLayout()).length > 0 ? false : 'the base image is not built: npx holdfast setup';
}

/** A reason to skip what needs a program; false when it is there. */
export function withoutCommand(command: string, howToGet: string, ...probe: string[]): string | false {
  const { error } = spawnSync(command, probe.length > 0 ? probe : ['--version'], { stdio: 'ignore' });
  return error ? `${command} is not installed. Get it: ${howToGet}` : false;
}

export const withoutAws = (): string | false => withoutCommand('aws', 'https://aws.amazon.com/cli/');
