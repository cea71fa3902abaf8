import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { publicAddressesTakenBy } from '@holdfast/linux/network/index.ts';
import { defaultSettings } from '@holdfast/region';
import { type Arguments, type Command, Refusal, UsageError } from '../command.ts';
import { type ControlRecord, livingControl } from '../control/record.ts';
import { type ControlOptions, runControl } from '../control/run.ts';
import { describeMissing, ensureBaseImage, missingHere } from '../machine.ts';
import { type Place, placeOf, placeOptions } from '../place.ts';

export const controlOptions = {
  ...placeOptions,
  driver: {
    type: 'string',
    value: 'linux|sim',
    help: 'linux (default): everything really runs, as root; sim: API only',
  },
  port: { type: 'string', value: '<4566>', help: 'port of the API' },
  host: { type: 'string', value: '<127.0.0.1>', help: 'address the API listens on, besides the VPCs' },
  auth: {
    type: 'string',
    value: 'lenient|strict',
    help: 'strict: only keys that the region issued count, also from loopback',
  },
  'load-balancer-suffix': {
    type: 'string',
    value: '<elb.holdfast.internal>',
    help: 'what the names of load balancers end in',
  },
  'hosts-per-zone': {
    type: 'string',
    value: '<2>',
    help: 'logical hosts in each zone, which can fail; a region that has more keeps them',
  },
  'unknown-ami': {
    type: 'string',
    value: '<image>',
    help: 'the image that every unknown image id stands for, such as debian-12; without it an unknown id is an error',
  },
  speed: { type: 'string', value: '<1>', help: "how many times as fast the region's clock runs" },
} as const;

export function readControlOptions(given: Arguments): ControlOptions {
  const driver = given.text('driver') ?? 'linux';
  if (driver !== 'linux' && driver !== 'sim') throw new UsageError(`--driver ${driver}: linux or sim`);
  const auth = given.text('auth') ?? 'lenient';
  if (auth !== 'lenient' && auth !== 'strict') throw new UsageError(`--auth ${auth}: lenient or strict`);
  const port = Number(given.text('port') ?? process.env.HOLDFAST_PORT ?? 4566);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError(`--port ${given.text('port')}: 0 to 65535`);
  const speed = Number(given.text('speed') ?? 1);
  if (!(speed > 0 && speed <= 1000))
    throw new UsageError(`--speed ${given.text('speed')}: more than 0, at most 1000`);
  const host = given.text('host') ?? '127.0.0.1';
  const loadBalancerSuffix = given.text('load-balancer-suffix') ?? defaultSettings.loadBalancerSuffix;
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(loadBalancerSuffix))
    throw new UsageError(`--load-balancer-suffix ${loadBalancerSuffix}: lower-case labels of a DNS name`);
  const hostsPerZone = Number(given.text('hosts-per-zone') ?? defaultSettings.hostsPerZone);
  if (!Number.isInteger(hostsPerZone) || hostsPerZone < 1 || hostsPerZone > 100)
    throw new UsageError(`--hosts-per-zone ${given.text('hosts-per-zone')}: 1 to 100`);
  const strictAuth = auth === 'strict';
  const unknownAmi = given.text('unknown-ami');
  const common = { place: placeOf(given), driver, host, port, speed, strictAuth } as const;
  return { ...common, loadBalancerSuffix, hostsPerZone, unknownAmi };
}

/** Refuses, naming all that is missing, before anything is started. */
async function checkMachine(options: ControlOptions): Promise<void> {
  if (options.driver === 'sim') return;
  const missing = await missingHere();
  if (missing.length > 0) {
    throw new Refusal(
      `real instances cannot run here yet:\n${describeMissing(missing)}\nWithout them, API only: holdfast up --driver sim`,
    );
  }
  const { layout } = options.place;
  const taken = publicAddressesTakenBy(layout);
  if (taken !== undefined) {
    throw new Refusal(
      `the public addresses ${layout.publicCidr} lead to ${taken} already; give this region others, a /20 or more inside 198.18.0.0/15: HOLDFAST_PUBLIC_CIDR`,
    );
  }
  await ensureBaseImage(layout);
}

const controlArguments = (options: ControlOptions): string[] => [
  ...['--driver', options.driver, '--port', String(options.port), '--host', options.host],
  ...['--auth', options.strictAuth ? 'strict' : 'lenient', '--speed', String(options.speed)],
  ...['--load-balancer-suffix', options.loadBalancerSuffix, '--prefix', options.place.layout.prefix],
  ...['--hosts-per-zone', String(options.hostsPerZone)],
  ...(options.unknownAmi === undefined ? [] : ['--unknown-ami', options.unknownAmi]),
];

/** Control's log is kept from growing for ever by starting anew, with one predecessor, beyond this. */
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;

function openLog(place: Place): number {
  mkdirSync(dirname(place.controlLog), { recursive: true, mode: 0o700 });
  if (existsSync(place.controlLog) && statSync(place.controlLog).size > LOG_LIMIT_BYTES) {
    rmSync(`${place.controlLog}.1`, { force: true });
    renameSync(place.controlLog, `${place.controlLog}.1`);
  }
  return openSync(place.controlLog, 'a', 0o600);
}

/** Starts a control process of its own and waits until its API answers and its loops run. */
export async function startDetached(options: ControlOptions): Promise<ControlRecord> {
  const { place } = options;
  const log = openLog(place);
  const from = statSync(place.controlLog).size;
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, 'control', ...controlArguments(options)], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
  });
  closeSync(log);
  let ended: number | null | undefined;
  child.once('exit', (code) => {
    ended = code;
  });
  child.unref();
  for (;;) {
    const record = livingControl(place);
    if (record?.pid === child.pid && record?.loops === 'running') return record;
    if (ended !== undefined) {
      const said = readFileSync(place.controlLog, 'utf8')
        .slice(from)
        .trim()
        .split('\n')
        .slice(-15)
        .join('\n');
      throw new Refusal(`the control process ended with code ${ended}:\n${said}`);
    }
    await delay(10);
  }
}

export const up: Command = {
  name: 'up',
  usage: '[--detach]',
  summary: 'start the region, here in the foreground or detached',
  details:
    'In the foreground, Ctrl-C ends the control process; instances and load balancers go on without it.\nholdfast up takes them over again, holdfast down removes them.',
  options: { ...controlOptions, detach: { type: 'boolean', help: 'return as soon as the region is up' } },
  async run(given) {
    const options = readControlOptions(given);
    const already = livingControl(options.place);
    if (already) {
      console.log(`The region is up already: ${already.endpoint}`);
      return 0;
    }
    await checkMachine(options);
    if (given.flag('detach')) {
      const record = await startDetached(options);
      console.log(`The region is up: ${record.endpoint}\nFor the AWS tools: eval "$(npx holdfast env)"`);
      return 0;
    }
    const running = await runControl(options);
    console.log(
      `The region is up: ${running.endpoint}\nFor the AWS tools, in another shell: eval "$(npx holdfast env)"`,
    );
    await new Promise<void>((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    });
    await running.stop();
    console.log('Stopped deciding. What runs goes on; npx holdfast down removes it.');
    return 0;
  },
};
