import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** A shape of botocore's `service-2.json`, as far as the generator reads it. */
export interface BotocoreShape {
  type: string;
  members?: Record<string, BotocoreRef>;
  required?: string[];
  member?: BotocoreRef;
  key?: BotocoreRef;
  value?: BotocoreRef;
  min?: number;
  max?: number;
  pattern?: string;
  enum?: string[];
  timestampFormat?: string;
}

export interface BotocoreRef {
  shape: string;
}

export interface BotocoreModel {
  metadata: { apiVersion: string; xmlNamespace?: string; targetPrefix?: string };
  operations: Record<string, { input?: BotocoreRef; output?: BotocoreRef; authtype?: string }>;
  shapes: Record<string, BotocoreShape>;
}

/** Botocore's package folder: HOLDFAST_BOTOCORE's, or that of the Python on the path. */
export function findBotocore(): string | undefined {
  const folder = process.env.HOLDFAST_BOTOCORE ?? askPython();
  return folder !== undefined && existsSync(join(folder, 'data')) ? folder : undefined;
}

export function botocoreVersion(folder: string): string {
  const text = readFileSync(join(folder, '__init__.py'), 'utf8');
  return /^__version__ = ['"](.+)['"]/m.exec(text)?.[1] ?? 'unknown';
}

export const BOTOCORE_MISSING =
  'botocore was not found: run `pip install botocore` (or install the AWS CLI), or set HOLDFAST_BOTOCORE to its package folder.';

function askPython(): string | undefined {
  const program = 'import botocore, os; print(os.path.dirname(botocore.__file__))';
  try {
    return execFileSync('python3', ['-c', program], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}

export function readBotocoreModel(folder: string, service: string): BotocoreModel {
  const file = join(folder, 'data', service, 'service-2.json');
  const text = existsSync(file) ? readFileSync(file) : gunzipSync(readFileSync(`${file}.gz`));
  return JSON.parse(text.toString('utf8')) as BotocoreModel;
}
