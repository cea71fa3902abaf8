/** HAProxy's runtime socket: commands in, text out. One connection for each batch, as HAProxy closes it afterwards. */
import { connect } from 'node:net';

/** HAProxy reads one line of at most one buffer (16 kB). */
const lineLimit = 8_000;

/** Nobody answers on the socket: the process is dead or does not exist. */
export class NodeDead extends Error {}

function ask(socket: string, line: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const connection = connect(socket);
    connection.setTimeout(timeoutMs, () =>
      connection.destroy(new Error(`${socket}: no answer to ${line.slice(0, 80)} in ${timeoutMs} ms`)),
    );
    connection.on('connect', () => connection.write(`${line}\n`));
    connection.on('data', (chunk: Buffer) => chunks.push(chunk));
    connection.on('error', (cause: NodeJS.ErrnoException) => {
      const gone =
        cause.code === 'ENOENT' ||
        cause.code === 'ECONNREFUSED' ||
        cause.code === 'ECONNRESET' ||
        cause.code === 'EPIPE';
      reject(gone ? new NodeDead(`${socket}: ${cause.code}`, { cause }) : cause);
    });
    connection.on('end', () => resolve(Buffer.concat(chunks).toString()));
  });
}

/** The answer to one command. */
export const query = (socket: string, command: string, timeoutMs = 5_000): Promise<string> =>
  ask(socket, command, timeoutMs);

/**
 * Runs commands in order; each one runs, whatever became of those before. Returns what HAProxy objected to: its
 * sentences other than those that say that a server was made or deleted.
 */
export async function run(socket: string, commands: readonly string[], timeoutMs = 5_000): Promise<string[]> {
  const objections: string[] = [];
  for (let from = 0; from < commands.length; ) {
    let to = from;
    let length = 0;
    while (to < commands.length && (to === from || length + commands[to]!.length < lineLimit))
      length += commands[to++]!.length + 1;
    const answer = await ask(socket, commands.slice(from, to).join(';'), timeoutMs);
    for (const sentence of answer.split('\n')) {
      if (sentence && !/^(New server registered|Server deleted)\.$/.test(sentence)) objections.push(sentence);
    }
    from = to;
  }
  return objections;
}

/** A server's line of `show servers state`. */
export interface ServerRow {
  readonly backend: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Would be used if administration allows it. */
  readonly running: boolean;
  readonly maintenance: boolean;
  readonly drain: boolean;
  readonly sinceChangeMs: number;
  /** HAProxy's number for the last check's outcome: changes whenever the reason changes. */
  readonly checkStatus: number;
  /** The line itself, as a state file takes it. */
  readonly line: string;
}

const maintenanceFlags = 0x01 | 0x02 | 0x04 | 0x20 | 0x40;
const drainFlags = 0x08 | 0x10;

export function parseServers(text: string): ServerRow[] {
  const rows: ServerRow[] = [];
  for (const line of text.split('\n')) {
    const word = line.split(' ');
    if (word.length < 19 || line.startsWith('#')) continue;
    const admin = Number(word[6]);
    rows.push({
      backend: word[1]!,
      name: word[3]!,
      address: word[4]!,
      port: Number(word[18]),
      running: word[5] !== '0',
      maintenance: (admin & maintenanceFlags) !== 0,
      drain: (admin & drainFlags) !== 0,
      sinceChangeMs: Number(word[9]) * 1000,
      checkStatus: Number(word[10]),
      line,
    });
  }
  return rows;
}

export const servers = async (socket: string): Promise<ServerRow[]> =>
  parseServers(await query(socket, 'show servers state'));

/** Rows of `show stat`, by column name. */
export function parseStatistics(text: string): Map<string, string>[] {
  const [head, ...lines] = text.replace(/^# /, '').split('\n');
  const columns = (head ?? '').split(',');
  return lines.filter(Boolean).map((line) => {
    const cells = line.split(',');
    return new Map(columns.map((column, index) => [column, cells[index] ?? '']));
  });
}
