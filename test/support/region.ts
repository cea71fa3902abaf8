/** A region of a test's own, started and taken down through the command line as a user would. */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Kills it after `timeoutMs`. */
export function run(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string | undefined>; input?: string; timeoutMs?: number } = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? 120_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdin.on('error', () => {}); // A program that reads nothing may be gone already.
    child.stdin.end(options.input ?? '');
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 137, stdout, stderr }));
  });
}

export interface TestRegion {
  readonly endpoint: string;
  /** For stock tools: endpoint, keys, region; and which region of this machine, for holdfast itself. */
  readonly env: Record<string, string>;
  holdfast(...args: string[]): Promise<Finished>;
  /** The stock AWS command line; its JSON output. Throws with its words when it fails. */
  // biome-ignore lint/suspicious/noExplicitAny: each call has its own output
  aws(...args: string[]): Promise<any>;
  /** The stock AWS command line, for calls that should fail. */
  awsFails(...args: string[]): Promise<Finished>;
  down(): Promise<void>;
}

export interface TestRegionOptions {
  /** Two to four letters or digits, each test file its own, so that files may run side by side. */
  readonly prefix: string;
  readonly driver: 'linux' | 'sim';
  /** A /20 inside 198.19.0.0/16, each prefix its own. */
  readonly publicCidr?: string;
  readonly awsRegion?: string;
  readonly upArguments?: readonly string[];
}

/** The same place in each run, so that `down` finds what a killed one left. */
export const stateDirectoryOf = (prefix: string): string => join(tmpdir(), `holdfast-test-${prefix}`);

/** Starts a region; whatever a killed earlier run of the same prefix left is removed before. */
export async function startRegion(options: TestRegionOptions): Promise<TestRegion> {
  const stateDirectory = stateDirectoryOf(options.prefix);
  const env: Record<string, string> = {
    HOLDFAST_PREFIX: options.prefix,
    HOLDFAST_STATE_DIRECTORY: stateDirectory,
    ...(options.publicCidr !== undefined && { HOLDFAST_PUBLIC_CIDR: options.publicCidr }),
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_DEFAULT_REGION: options.awsRegion ?? 'us-west-2',
    AWS_REGION: options.awsRegion ?? 'us-west-2',
    AWS_PAGER: '',
    AWS_MAX_ATTEMPTS: '1',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  };
  const holdfast = (...args: string[]): Promise<Finished> =>
    run(process.execPath, ['packages/holdfast/src/main.ts', ...args], { env, timeoutMs: 180_000 });
  await holdfast('down');
  const up = await holdfast(
    'up',
    '--detach',
    '--port',
    '0',
    '--driver',
    options.driver,
    ...(options.upArguments ?? []),
  );
  if (up.code !== 0) {
    await holdfast('down');
    rmSync(stateDirectory, { recursive: true, force: true });
    throw new Error(`holdfast up: ${up.stdout}${up.stderr}`);
  }
  const status = JSON.parse((await holdfast('status', '--json')).stdout) as { endpoint: string };
  env.AWS_ENDPOINT_URL = status.endpoint;
  const aws = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await run('aws', [...args, '--output', 'json'], { env });
    if (code !== 0) throw new Error(`aws ${args.join(' ')}: exit ${code}\n${stderr.trim()}`);
    return stdout.trim() === '' ? undefined : JSON.parse(stdout);
  };
  return {
    endpoint: status.endpoint,
    env,
    holdfast,
    aws,
    awsFails: (...args) => run('aws', args, { env }),
    async down() {
      const { code, stdout, stderr } = await holdfast('down');
      rmSync(stateDirectory, { recursive: true, force: true });
      if (code !== 0) throw new Error(`holdfast down: ${stdout}${stderr}`);
    },
  };
}
