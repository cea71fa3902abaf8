import { type Command, Refusal } from '../command.ts';
import { livingControl } from '../control/record.ts';
import { placeOf, placeOptions } from '../place.ts';

/** Where something is that nothing else says. */
export const defaultRegion = (): string =>
  process.env.AWS_DEFAULT_REGION ?? process.env.AWS_REGION ?? 'us-east-1';

/** What the stock tools read, for a running region or one about to run on `endpoint`. */
export const environmentFor = (endpoint: string): Record<string, string> => ({
  AWS_ENDPOINT_URL: endpoint,
  AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID ?? 'test',
  AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY ?? 'test',
  AWS_DEFAULT_REGION: defaultRegion(),
});

export const env: Command = {
  name: 'env',
  usage: '[--region <name>]',
  summary: 'print the settings with which the stock AWS tools talk to the region',
  details: 'In a shell:  eval "$(npx holdfast env)"',
  options: {
    ...placeOptions,
    region: { type: 'string', value: '<name>', help: 'default region, such as eu-west-1' },
  },
  async run(given) {
    const record = livingControl(placeOf(given));
    if (!record) throw new Refusal('no region is up. Start one: npx holdfast up --detach');
    const values = environmentFor(record.endpoint);
    const region = given.text('region');
    if (region !== undefined) values.AWS_DEFAULT_REGION = region;
    for (const [name, value] of Object.entries(values)) {
      console.log(`export ${name}='${value.replaceAll("'", "'\\''")}'`);
    }
    return 0;
  },
};
