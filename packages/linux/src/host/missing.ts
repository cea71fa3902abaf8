import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** One thing that this machine lacks, in words that end in what to type. */
export interface Missing {
  readonly what: string;
  readonly why: string;
  readonly howToGet: string;
}

/** Is there a program of that name where programs are looked for, or where administrators' ones stand? */
export const hasCommand = (name: string): boolean =>
  `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(':').some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
