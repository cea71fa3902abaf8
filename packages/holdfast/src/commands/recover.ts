import { type Command, UsageError } from '../command.ts';
import { askControl } from '../control/ask.ts';
import type { ShownRecovery } from '../control/faults.ts';
import { instanceNamed, regionOfInstance } from '../instance.ts';
import { placeOf, placeOptions } from '../place.ts';
import { defaultRegion } from './env.ts';

function inWords(id: string, answer: ShownRecovery): string {
  switch (answer.outcome) {
    case 'recovered':
      return `${id} comes back on ${answer.hostId}`;
    case 'waiting':
      return `${id} comes back as soon as a host of its zone is well\n${answer.code}: ${answer.message}`;
    case 'not-needed':
      return `${id}: its host is well, there is nothing to recover it from`;
  }
}

export const recover: Command = {
  name: 'recover',
  usage: '<instance>',
  summary: "bring an instance of a failed host back on another one, as an alarm's recover action does",
  details: `The instance is named by its id or its Name tag. It keeps its id, addresses, metadata and disks; what was in its
memory is gone. Without another host in its zone it waits for one.
Exit code 1 when AWS would not recover it: it does not run, belongs to an Auto Scaling group, has disks of its host, or was
recovered three times within 24 hours.`,
  options: {
    ...placeOptions,
    region: { type: 'string', value: '<name>', help: 'where, when the id alone does not say it' },
    json: { type: 'boolean', help: 'the outcome as JSON' },
  },
  async run(given) {
    const [named, ...more] = given.words;
    if (named === undefined || more.length > 0) throw new UsageError('recover <instance>: one id or name');
    const place = placeOf(given);
    const id = await instanceNamed(place, named);
    const region = given.text('region') ?? (await regionOfInstance(place, id)) ?? defaultRegion();
    const answer = await askControl<ShownRecovery>(place, '/_holdfast/recover', { region, instance: id });
    console.log(given.flag('json') ? JSON.stringify(answer, undefined, 2) : inWords(id, answer));
    return 0;
  },
};
