import type { Command } from '../command.ts';
import { baseImageIsBuilt, describeMissing, missingHere } from '../machine.ts';
import { placeOf, placeOptions } from '../place.ts';

export const doctor: Command = {
  name: 'doctor',
  usage: '',
  summary: 'say what is missing for real instances, and how to get it',
  details: 'Exit code 0 when nothing is missing, 1 otherwise.',
  options: placeOptions,
  async run(given) {
    const missing = await missingHere();
    if (missing.length > 0) {
      console.log(`Missing for real instances:\n${describeMissing(missing)}`);
      console.log(
        'All of it at once, as root: npx holdfast setup. API only, without it: npx holdfast up --driver sim',
      );
      return 1;
    }
    const built = baseImageIsBuilt(placeOf(given).layout);
    console.log('Nothing is missing: real instances can run here.');
    if (!built) console.log('The base image is not built yet; the first up builds it, in about a minute.');
    return 0;
  },
};
