/** One command of the command line: what it is called, what it takes, what it does. */
import { parseArgs } from 'node:util';

export interface Option {
  readonly type: 'string' | 'boolean';
  /** How the value is called in the help, such as `<port>`. */
  readonly value?: string;
  readonly help: string;
}

export interface Arguments {
  /** The value of an option that takes one; undefined when it was not given. */
  text(name: string): string | undefined;
  flag(name: string): boolean;
  /** Words that are no options, and everything behind `--`. */
  readonly words: readonly string[];
}

export interface Command {
  readonly name: string;
  /** What follows the name, such as `<instance> -- <command>`. */
  readonly usage: string;
  readonly summary: string;
  /** Further paragraphs of the help. */
  readonly details?: string;
  readonly options: Readonly<Record<string, Option>>;
  /** Returns the exit code. */
  run(given: Arguments): Promise<number>;
}

/** A mistake of the caller: shown without a stack, exit code 2. */
export class UsageError extends Error {}

/** Something that cannot be had here: shown without a stack, exit code 1. */
export class Refusal extends Error {}

export function helpText(command: Command): string {
  const rows = Object.entries({
    ...command.options,
    help: { type: 'boolean', help: 'show this help' } as Option,
  }).map(([name, option]) => [`  --${name}${option.value ? ` ${option.value}` : ''}`, option.help] as const);
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  const options = rows.map(([left, right]) => `${left.padEnd(width)}${right}`).join('\n');
  const details = command.details ? `\n${command.details}\n` : '';
  return `holdfast ${command.name} ${command.usage}\n\n${command.summary}\n${details}\nOptions:\n${options}`;
}

export function parseArguments(command: Command, args: readonly string[]): Arguments {
  // What stands behind `--`, or behind the first word where a command takes another's words, is not ours to read.
  const split = args.indexOf('--');
  const own = split === -1 ? args : args.slice(0, split);
  const rest = split === -1 ? [] : args.slice(split + 1);
  try {
    const { values, positionals } = parseArgs({
      args: [...own],
      options: Object.fromEntries(
        Object.entries(command.options).map(([name, { type }]) => [name, { type }]),
      ),
      allowPositionals: true,
    });
    return {
      text: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
      flag: (name) => values[name] === true,
      words: [...positionals, ...rest],
    };
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}
