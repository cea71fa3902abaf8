import { type Command, Refusal } from '../command.ts';
import { livingControl } from '../control/record.ts';
import { prepareMachine } from '../machine.ts';
import { placeOf } from '../place.ts';
import { step } from '../progress.ts';
import { takeDown } from './down.ts';
import { defaultRegion } from './env.ts';
import { controlOptions, readControlOptions, startDetached } from './up.ts';

export const demo: Command = {
  name: 'demo',
  usage: '[--keep]',
  summary:
    'a two-zone web service that survives: starts it, loads it, kills its instances, cuts off a zone, reports',
  options: {
    ...controlOptions,
    keep: { type: 'boolean', help: 'leave the region and the web service running' },
  },
  async run(given) {
    const options = readControlOptions(given);
    const place = placeOf(given);
    if (options.driver === 'sim')
      throw new Refusal('the demo is about what really runs; it needs --driver linux');
    // The AWS SDK takes long to load; nothing but the demo needs it.
    const { connect, deleteStack, NAME, play } = await import('../demo/play.ts');
    await prepareMachine(place.layout);
    const already = livingControl(place);
    const record = already ?? (await step('The region starts', () => startDetached(options)));
    const clients = connect(record.endpoint, defaultRegion());
    try {
      await deleteStack(clients, NAME);
      const report = await play(place, clients);
      console.log(`\n${report}`);
      return 0;
    } finally {
      if (given.flag('keep')) console.error('The region stays up. npx holdfast down removes it.');
      else {
        await step('Everything is removed', async () => {
          if (already) await deleteStack(clients, NAME);
          else await takeDown(place, false);
        });
      }
    }
  },
};
