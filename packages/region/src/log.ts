/** Where the region says what happens. Fields are JSON; an `error` field is written with its cause chain. */
export interface Log {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Each error of a chain on a line of its own, the outermost with its stack. */
export function causeChain(error: unknown): string {
  const lines: string[] = [];
  for (let at: unknown = error; at !== undefined; at = at instanceof Error ? at.cause : undefined) {
    lines.push(
      at instanceof Error
        ? lines.length === 0
          ? (at.stack ?? at.message)
          : `caused by ${at.message}`
        : String(at),
    );
  }
  return lines.join('\n');
}

export function lineLog(write: (line: string) => void, now: () => number): Log {
  const line = (level: string, message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    const shown = Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, name === 'error' ? causeChain(value) : value]),
    );
    write(JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...shown }));
  };
  return {
    info: (message, fields) => line('info', message, fields),
    error: (message, fields) => line('error', message, fields),
  };
}

export const silentLog: Log = { info: () => {}, error: () => {} };
