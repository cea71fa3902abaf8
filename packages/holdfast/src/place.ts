/** Which region of this machine a command is about, and where it stands. */
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostLayout, hostLayout, isPrefix } from '@holdfast/linux/layout.ts';
import { type Arguments, type Option, UsageError } from './command.ts';

export type DriverName = 'linux' | 'sim';

export interface Place {
  readonly layout: HostLayout;
  /** Says who runs the region: process id, port and so on. */
  readonly controlFile: string;
  readonly controlLog: string;
}

/** Options that every command takes which is about one region. */
export const placeOptions = {
  prefix: {
    type: 'string',
    value: '<hf>',
    help: 'which region of this machine: two to four letters or digits (HOLDFAST_PREFIX)',
  },
} as const satisfies Record<string, Option>;

export function placeOf(given: Arguments): Place {
  const prefix = given.text('prefix') ?? process.env.HOLDFAST_PREFIX;
  if (prefix !== undefined && !isPrefix(prefix))
    throw new UsageError(`the prefix ${prefix}: a lower-case letter and one to three more of them or digits`);
  const name = prefix === undefined || prefix === 'hf' ? 'holdfast' : `holdfast-${prefix}`;
  const asRoot = process.getuid?.() === 0;
  const directories = asRoot
    ? {}
    : {
        stateDirectory: join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), name),
        runDirectory: join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `${name}-${process.getuid?.()}`),
        cacheDirectory: join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'holdfast'),
      };
  const chosen = {
    ...(process.env.HOLDFAST_STATE_DIRECTORY && { stateDirectory: process.env.HOLDFAST_STATE_DIRECTORY }),
    ...(process.env.HOLDFAST_CACHE_DIRECTORY && { cacheDirectory: process.env.HOLDFAST_CACHE_DIRECTORY }),
    ...(process.env.HOLDFAST_PUBLIC_CIDR && { publicCidr: process.env.HOLDFAST_PUBLIC_CIDR }),
  };
  const layout = hostLayout({ ...(prefix !== undefined && { prefix }), ...directories, ...chosen });
  return {
    layout,
    controlFile: join(layout.runDirectory, 'control.json'),
    controlLog: join(layout.runDirectory, 'control.log'),
  };
}
