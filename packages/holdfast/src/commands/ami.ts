import { resolve } from 'node:path';
import { ImportRefusal, importImage } from '@holdfast/linux/compute/index.ts';
import { type Arguments, type Command, Refusal, UsageError } from '../command.ts';
import { askControl } from '../control/ask.ts';
import type { ShownImages, ShownMapping } from '../control/images.ts';
import { livingControl } from '../control/record.ts';
import { describeMissing, missingHere } from '../machine.ts';
import { type Place, placeOf, placeOptions } from '../place.ts';
import { step } from '../progress.ts';
import { defaultRegion } from './env.ts';

const regionOf = (given: Arguments): string => given.text('region') ?? defaultRegion();

async function list(place: Place, given: Arguments): Promise<number> {
  if (given.words.length > 1) throw new UsageError('ami list: nothing more');
  const found = await askControl<ShownImages>(place, '/_holdfast/images/list', { region: regionOf(given) });
  if (given.flag('json')) {
    console.log(JSON.stringify(found, undefined, 2));
    return 0;
  }
  for (const { id, name, state, owner } of found.images) {
    console.log(`${id}  ${owner === 'amazon' ? 'public' : 'own   '}  ${state.padEnd(9)}  ${name}`);
  }
  for (const { id, image } of found.mappings) console.log(`${id} is mapped to ${image}`);
  if (found.unknownAmi !== undefined) console.log(`any other unknown id stands for ${found.unknownAmi}`);
  return 0;
}

async function map(place: Place, given: Arguments): Promise<number> {
  const [, id, image, ...more] = given.words;
  if (id === undefined || image === undefined || more.length > 0)
    throw new UsageError('ami map <image id, parameter or name pattern> <image>');
  const body = { id, image, region: regionOf(given) };
  const mapped = await askControl<ShownMapping>(place, '/_holdfast/images/map', body);
  console.log(`${mapped.id} is mapped to ${mapped.image}`);
  return 0;
}

async function unmap(place: Place, given: Arguments): Promise<number> {
  const [, id, ...more] = given.words;
  if (id === undefined || more.length > 0)
    throw new UsageError('ami unmap <image id, parameter or name pattern>');
  await askControl(place, '/_holdfast/images/unmap', { id, region: regionOf(given) });
  console.log(`${id} is not mapped any more`);
  return 0;
}

async function importArchive(place: Place, given: Arguments): Promise<number> {
  const [, archive, ...more] = given.words;
  const name = given.text('name');
  if (archive === undefined || name === undefined || more.length > 0)
    throw new UsageError('ami import <archive> --name <name> [--user <user>]');
  if (livingControl(place)?.driver === 'sim')
    throw new Refusal('the instances of this region are simulated: an imported image would never run');
  const missing = await missingHere();
  if (missing.length > 0)
    throw new Refusal(`images cannot be imported here yet:\n${describeMissing(missing)}`);
  const user = given.text('user') ?? 'admin';
  try {
    await step(`Importing ${archive}`, (onProgress) =>
      importImage(place.layout, { archive: resolve(archive), name, user, onProgress }),
    );
  } catch (error) {
    if (error instanceof ImportRefusal) throw new Refusal(error.message);
    throw error;
  }
  if (!livingControl(place)) {
    console.log(`${name} is imported: an image of the region when it is up`);
    return 0;
  }
  await askControl(place, '/_holdfast/images/found', {});
  const body = { region: regionOf(given) };
  const { images } = await askControl<ShownImages>(place, '/_holdfast/images/list', body);
  console.log(images.find((image) => image.name === name)?.id ?? name);
  return 0;
}

const verbs = { list, map, unmap, import: importArchive };

export const ami: Command = {
  name: 'ami',
  usage: 'list | map <id> <image> | unmap <id> | import <archive> --name <name>',
  summary: 'show the images, map ids from elsewhere to them, import a root file system',
  details: `map: an instance launched from the id (ami-1ecae776, as a template has it) gets the image, named by its id, by
its name or by the beginning of its name: debian-12. The id may also be the name of a public parameter:
/aws/service/canonical/ubuntu/…/ami-id, or a pattern of the names that Amazon, Canonical and Debian give their public
images: 'amzn2-ami-hvm-*'. holdfast up --unknown-ami does it for every unknown id.
import: an image of an archive (tar, plain or by gzip, xz or zstd) of a root file system with systemd, bash and curl,
as Debian's and Ubuntu's are. It is the account's own image in every region, and goes with holdfast down.`,
  options: {
    ...placeOptions,
    name: { type: 'string', value: '<name>', help: 'import: the new image’s name' },
    user: { type: 'string', value: '<admin>', help: 'import: who logs in by SSH; made when there is none' },
    region: { type: 'string', value: '<us-west-2>', help: 'which of AWS’s regions (AWS_DEFAULT_REGION)' },
    json: { type: 'boolean', help: 'list: images and mappings, as JSON' },
  },
  async run(given) {
    const place = placeOf(given);
    const [verb = ''] = given.words;
    if (!Object.hasOwn(verbs, verb)) throw new UsageError('ami list | map | unmap | import');
    return verbs[verb as keyof typeof verbs](place, given);
  },
};
