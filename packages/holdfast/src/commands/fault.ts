import { faultKinds } from '@holdfast/region/services/ec2/fault/index.ts';
import { type Arguments, type Command, UsageError } from '../command.ts';
import { askControl } from '../control/ask.ts';
import type { ShownFault } from '../control/faults.ts';
import { instanceNamed, regionOfInstance } from '../instance.ts';
import { type Place, placeOf, placeOptions } from '../place.ts';
import { defaultRegion } from './env.ts';

const targets = Object.keys(faultKinds) as ShownFault['target'][];

/** The region that a zone's or a host's name begins with. */
const regionInName = (id: string): string | undefined => /^([a-z]{2}(?:-[a-z]+)+-\d)[a-z]/.exec(id)?.[1];

const states: Readonly<Record<ShownFault['kind'], string>> = {
  hung: 'hangs',
  dead: 'is dead',
  cut: 'is cut off',
};

async function inject(place: Place, given: Arguments, target: ShownFault['target']): Promise<number> {
  const [, named, ...more] = given.words;
  if (named === undefined || more.length > 0)
    throw new UsageError(`fault ${target} <id> [--kind <kind>]: one id`);
  const kind = given.text('kind');
  const kinds: readonly string[] = faultKinds[target];
  if (kind !== undefined && !kinds.includes(kind))
    throw new UsageError(`--kind ${kind}: for ${target} it is ${kinds.join(' or ')}`);
  const id = target === 'instance' ? await instanceNamed(place, named) : named;
  const home = target === 'instance' ? await regionOfInstance(place, id) : regionInName(id);
  const region = given.text('region') ?? home ?? defaultRegion();
  const body = { region, target, id, ...(kind !== undefined && { kind }) };
  const { fault } = await askControl<{ fault: ShownFault }>(place, '/_holdfast/faults', body);
  if (given.flag('json')) console.log(JSON.stringify(fault, undefined, 2));
  else {
    console.log(`${fault.id}: ${target} ${fault.targetId} ${states[fault.kind]}`);
    // Nobody comes back to life by a fault's end.
    if (target === 'instance' && fault.kind === 'dead')
      console.log('aws ec2 start-instances starts it again.');
    else console.log(`Undo it: npx holdfast fault clear ${fault.id} --region ${fault.region}`);
  }
  return 0;
}

async function list(place: Place, given: Arguments): Promise<number> {
  const { faults } = await askControl<{ faults: ShownFault[] }>(place, '/_holdfast/faults');
  const wanted = given.text('region');
  const found = faults.filter((one) => wanted === undefined || one.region === wanted);
  if (given.flag('json')) console.log(JSON.stringify(found, undefined, 2));
  else if (found.length === 0) console.log('Nothing is broken on purpose.');
  for (const one of given.flag('json') ? [] : found) {
    console.log(
      `${one.id}  ${one.region}  ${`${one.target} ${one.targetId}`.padEnd(32)} ${one.kind}  since ${one.since}`,
    );
  }
  return 0;
}

async function clear(place: Place, given: Arguments): Promise<number> {
  const [, id, ...more] = given.words;
  const all = given.flag('all');
  if (more.length > 0 || all === (id !== undefined)) throw new UsageError('fault clear <fault id>, or --all');
  const path = '/_holdfast/faults/clear';
  const ask = async (body: object): Promise<ShownFault[]> =>
    (await askControl<{ cleared: ShownFault[] }>(place, path, body)).cleared;
  const { faults } = await askControl<{ faults: ShownFault[] }>(place, '/_holdfast/faults');
  // An id says by itself where it belongs; --all is about every region unless one is named.
  const named = given.text('region');
  const home = faults.find((one) => one.id === id)?.region;
  const regions = all
    ? new Set(named === undefined ? faults.map((one) => one.region) : [named])
    : [named ?? home ?? defaultRegion()];
  const cleared = await Promise.all(
    [...regions].map((region) => ask({ region, ...(all ? { all } : { id }) })),
  );
  for (const one of cleared.flat()) console.log(`${one.id}: ${one.target} ${one.targetId} is well again`);
  if (cleared.flat().length === 0) console.log('Nothing was broken on purpose.');
  return 0;
}

export const fault: Command = {
  name: 'fault',
  usage: 'host|instance|zone|nat-gateway <id> [--kind <kind>] | list | clear <fault id>|--all',
  summary: 'break a host, an instance, a zone or a NAT gateway on purpose, and undo it',
  details: `  host us-west-2a-h1         nothing on it computes or answers; recovery can move its instances
  instance <id or name>      dead: its init is killed; hung: it computes no more, until it is rebooted;
                             cut: nothing passes from or to it
  zone us-west-2a            cut off with all that is in it; nothing is launched there
  nat-gateway <id>           carries nothing

What kinds there are, the usual first: ${targets.map((one) => `${one}: ${faultKinds[one].join(', ')}`).join('; ')}.
Faults last until they are cleared, also when the region is started anew.
Exit code 1 when there is no such thing to break or clear, 2 for a mistake on the command line.`,
  options: {
    ...placeOptions,
    kind: { type: 'string', value: 'hung|dead|cut', help: 'what happens to it' },
    all: { type: 'boolean', help: 'clear: every fault' },
    region: {
      type: 'string',
      value: '<name>',
      help: 'where, when the id does not say it (AWS_DEFAULT_REGION)',
    },
    json: { type: 'boolean', help: 'the fault, or the list, as JSON' },
  },
  async run(given) {
    const place = placeOf(given);
    const [what] = given.words;
    if (what === 'list') return list(place, given);
    if (what === 'clear') return clear(place, given);
    const target = targets.find((one) => one === what);
    if (!target) throw new UsageError(`fault ${targets.join('|')} <id>, fault list, fault clear`);
    return inject(place, given, target);
  },
};
