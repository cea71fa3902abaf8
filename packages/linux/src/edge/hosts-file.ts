/**
 * The region's block in /etc/hosts, so that every program on this machine reaches a load balancer's nodes by its name.
 * All other bytes of the file stay as they are, and the block can be taken out without a trace.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface HostsEntry {
  readonly name: string;
  readonly addresses: readonly string[];
}

const beginMarker = (prefix: string): string => `# holdfast ${prefix} begin`;
const endMarker = (prefix: string): string => `# holdfast ${prefix} end`;

/** The lines between the markers. What is no host name or no address is left out: it could end the line. */
function blockLines(entries: readonly HostsEntry[]): string[] {
  return entries
    .filter(({ name }) => /^[a-z0-9.-]{1,253}$/i.test(name))
    .flatMap(({ name, addresses }) => addresses.filter((a) => isIP(a) > 0).map((a) => `${a} ${name}`));
}

/**
 * The text with the block of this prefix saying `entries`, or without it when there are none. A file whose last line
 * has no end is given back like that when the block goes: then the block has none either.
 */
export function withHostsBlock(text: string, prefix: string, entries: readonly HostsEntry[]): string {
  const lines = blockLines(entries);
  const block = [beginMarker(prefix), ...lines, endMarker(prefix)].join('\n');
  const begin = `\n${text}`.indexOf(`\n${beginMarker(prefix)}\n`);
  const end = begin < 0 ? -1 : text.indexOf(`\n${endMarker(prefix)}`, begin);
  if (begin < 0 || end < 0) {
    if (lines.length === 0) return text;
    return text === '' || text.endsWith('\n') ? `${text}${block}\n` : `${text}\n${block}`;
  }
  const after = end + 1 + endMarker(prefix).length;
  if (lines.length > 0) return text.slice(0, begin) + block + text.slice(after);
  return after === text.length
    ? text.slice(0, Math.max(0, begin - 1))
    : text.slice(0, begin) + text.slice(after + 1);
}

const STALE_LOCK_MS = 5_000;
const LOCK_ATTEMPTS = 200;

/** The draft of the new file is also the lock among several regions: whoever made it may write. */
async function lockDraft(draft: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return closeSync(openSync(draft, 'wx', 0o600));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt >= LOCK_ATTEMPTS) throw error;
      const age = Date.now() - (statSync(draft, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > STALE_LOCK_MS) rmSync(draft, { force: true });
      else await sleep(10);
    }
  }
}

/**
 * Writes the region's block, or takes it out when there are no entries; the file is replaced in one step, or, where it
 * is a mount of its own (in a container), written over. Returns whether it had to change. Throws EACCES when this
 * process may not.
 */
export async function writeHostsBlock(
  path: string,
  prefix: string,
  entries: readonly HostsEntry[],
): Promise<boolean> {
  const read = (file: string) => readFileSync(file, 'latin1');
  const file = realpathSync(path);
  if (withHostsBlock(read(file), prefix, entries) === read(file)) return false;
  const draft = `${file}.holdfast`;
  await lockDraft(draft);
  try {
    const text = withHostsBlock(read(file), prefix, entries);
    const { mode, uid, gid } = statSync(file);
    writeFileSync(draft, text, 'latin1');
    chmodSync(draft, mode & 0o7777);
    chownSync(draft, uid, gid);
    try {
      renameSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      writeFileSync(file, text, 'latin1');
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return true;
}
