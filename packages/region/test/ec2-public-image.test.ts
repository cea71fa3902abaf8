/** Images that people find by the names that Amazon, Canonical and Debian give theirs, as the stock SDK asks for them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DescribeImagesCommand,
  type DescribeImagesCommandInput,
  EC2Client,
  type Image,
} from '@aws-sdk/client-ec2';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { virtualClock } from '../src/clock.ts';
import { simBaseImage } from '../src/drivers/sim/compute.ts';
import { simDrivers } from '../src/drivers/sim/index.ts';
import { mapImage, unmapImage } from '../src/services/ec2/image/mapping.ts';
import { REGION } from './ec2-world.ts';
import { servedWorld } from './served-world.ts';

const AMAZON = '137112412989';
const CANONICAL = '099720109477';
const DEBIAN = '136693071363';
const AMZN2 = 'amzn2-ami-hvm-*-x86_64-gp2';
const JAMMY = 'ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*';

/** Our own image, imported for another architecture than the base image's. */
const onArm = { ...simBaseImage, name: 'ours', imported: true, architecture: 'arm64' as const };

async function imageWorld(...further: (typeof simBaseImage)[]) {
  const clock = virtualClock();
  const drivers = simDrivers(clock);
  drivers.compute.images = async () => [simBaseImage, ...further];
  const world = await servedWorld({ clock, drivers });
  const ask = async (input: DescribeImagesCommandInput, region = REGION): Promise<Image[]> =>
    (await new EC2Client({ ...world.settings, region }).send(new DescribeImagesCommand(input))).Images ?? [];
  return {
    ...world,
    ask,
    find: (name: string, owner = 'amazon', region = REGION): Promise<Image[]> =>
      ask({ Owners: [owner], Filters: [{ Name: 'name', Values: [name] }] }, region),
    map: (id: string, name: string) => world.region.transact(REGION, (scope) => mapImage(scope, id, name)),
    unmap: (id: string) => world.region.transact(REGION, (scope) => unmapImage(scope, id)),
    [Symbol.asyncDispose]: world[Symbol.asyncDispose],
  };
}

/** As `most_recent` and `sort_by(Images, &CreationDate)[-1]` choose. */
const newest = (images: readonly Image[]): string | undefined =>
  images.toSorted((a, b) => ((a.CreationDate ?? '') < (b.CreationDate ?? '') ? 1 : -1))[0]?.Name;

describe('a public image asked for by its family’s name', () => {
  test('is one build, dated as the base image, of the family’s owner', async () => {
    await using world = await imageWorld();
    const expected: [pattern: string, owner: string, name: string][] = [
      [AMZN2, AMAZON, 'amzn2-ami-hvm-2.0.20260101.0-x86_64-gp2'],
      ['amzn2-ami-hvm-2.0.????????.?-x86_64-ebs', AMAZON, 'amzn2-ami-hvm-2.0.20260101.0-x86_64-ebs'],
      [
        'amzn2-ami-kernel-5.10-hvm-*-x86_64-gp2',
        AMAZON,
        'amzn2-ami-kernel-5.10-hvm-2.0.20260101.0-x86_64-gp2',
      ],
      ['al2023-ami-2023.*-kernel-6.1-x86_64', AMAZON, 'al2023-ami-2023.9.20260101.0-kernel-6.1-x86_64'],
      ['amzn-ami-hvm-*-x86_64-gp2', AMAZON, 'amzn-ami-hvm-2018.03.0.20260101.0-x86_64-gp2'],
      [JAMMY, CANONICAL, 'ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20260101'],
      [
        'ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*',
        CANONICAL,
        'ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260101',
      ],
      [
        'ubuntu/images/*/ubuntu-focal-20.04-*-server-*',
        CANONICAL,
        'ubuntu/images/hvm-ssd/ubuntu-focal-20.04-amd64-server-20260101',
      ],
      ['debian-12-amd64-*', DEBIAN, 'debian-12-amd64-20260101-2344'],
      ['debian-11-amd64-*', DEBIAN, 'debian-11-amd64-20260101-2344'],
    ];
    for (const [pattern, owner, name] of expected) {
      const found = await world.find(pattern, owner);
      assert.deepEqual(
        found.map(({ Name, OwnerId, ImageOwnerAlias }) => [Name, OwnerId, ImageOwnerAlias]),
        [[name, owner, 'amazon']],
        pattern,
      );
    }
    assert.equal((await world.find(JAMMY)).length, 1, 'by the alias');
    assert.equal((await world.ask({ Filters: [{ Name: 'name', Values: [JAMMY] }] })).length, 1, 'by nobody');
    assert.deepEqual(await world.find(JAMMY, AMAZON), [], 'of another owner');
    assert.deepEqual(await world.find('Windows_Server-2022-English-Full-Base-*'), []);
    assert.deepEqual(
      await world.find('amzn2-ami-hvm-*-arm64-gp2'),
      [],
      'of an architecture that is not here',
    );
    assert.deepEqual(world.errors, []);
  });

  test('answers to the other filters that templates have', async () => {
    await using world = await imageWorld();
    const filters = (volumeType: string) =>
      Object.entries({
        name: AMZN2,
        architecture: 'x86_64',
        'block-device-mapping.volume-type': volumeType,
        'ena-support': 'true',
        'is-public': 'true',
        'owner-alias': 'amazon',
        'root-device-type': 'ebs',
        state: 'available',
        'virtualization-type': 'hvm',
      }).map(([Name, value]) => ({ Name, Values: [value] }));
    const [image, ...others] = await world.ask({ Filters: filters('gp2'), ExecutableUsers: ['all'] });
    assert.deepEqual(others, []);
    assert.equal(image?.Description, 'Amazon Linux 2 AMI 2.0.20260101.0 x86_64 HVM gp2');
    assert.equal(image.ImageLocation, `amazon/${image.Name}`);
    assert.deepEqual(
      [image.VirtualizationType, image.EnaSupport, image.RootDeviceName],
      ['hvm', true, image.BlockDeviceMappings?.[0]?.DeviceName],
    );
    assert.deepEqual(await world.ask({ Filters: filters('gp3') }), []);
    assert.equal((await world.find('ubuntu/*/ubuntu-noble-*'))[0]?.BlockDeviceMappings?.[0]?.Ebs?.Iops, 3000);
  });

  test('has an id that is the same for every build, in each region another', async () => {
    const rebuilt = { ...simBaseImage, name: 'debian-12-amd64-rebuilt', createdAt: Date.UTC(2026, 1, 2) };
    await using before = await imageWorld();
    await using after = await imageWorld(rebuilt);
    const [old] = await before.find(AMZN2);
    const [young] = await after.find(AMZN2);
    assert.equal(young?.Name, 'amzn2-ami-hvm-2.0.20260202.0-x86_64-gp2');
    assert.equal(young.ImageId, old?.ImageId);
    assert.notEqual((await before.find(AMZN2, 'amazon', 'eu-west-1'))[0]?.ImageId, old?.ImageId);
    const all = await before.ask({ Filters: [{ Name: 'name', Values: ['a*', 'u*'] }] });
    assert.equal(new Set(all.map(({ ImageId }) => ImageId)).size, all.length);
  });

  test('is one that is the most recent, when a pattern finds several', async () => {
    await using world = await imageWorld();
    assert.equal(
      newest(await world.find('al2023-ami-2023.*-x86_64')),
      'al2023-ami-2023.9.20260101.0-kernel-6.1-x86_64',
    );
    assert.equal(newest(await world.find('amzn2-ami-*')), 'amzn2-ami-hvm-2.0.20260101.0-x86_64-gp2');
    const debians = await world.ask({
      Owners: ['amazon', DEBIAN],
      Filters: [{ Name: 'name', Values: ['debian-*'] }],
    });
    assert.equal(debians.length, 5);
    assert.equal(newest(debians), simBaseImage.name, 'the image that is really here comes first');
  });

  test('is not in listings, and not where an image of this machine has the name', async () => {
    await using world = await imageWorld();
    const base = await world.imageId();
    const ids = async (input: DescribeImagesCommandInput) =>
      (await world.ask(input)).map(({ ImageId }) => ImageId);
    for (const input of [
      {},
      { Owners: ['amazon'] },
      { Owners: [AMAZON] },
      { Filters: [{ Name: 'architecture', Values: ['x86_64'] }] },
      { Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['debian-12-*'] }] },
      { Filters: [{ Name: 'name', Values: ['*'] }] },
    ]) {
      assert.deepEqual(await ids(input), [base], JSON.stringify(input));
    }
    assert.deepEqual(await ids({ Owners: ['self'], Filters: [{ Name: 'name', Values: ['amzn2-*'] }] }), []);
    assert.equal((await ids({ Owners: [DEBIAN] })).length, 4, 'an owner that has nothing else');
    assert.equal((await ids({ Filters: [{ Name: 'owner-id', Values: [CANONICAL] }] })).length, 12);
  });
});

describe('an instance of a public image', () => {
  test('runs the base image, has the id that was found, and says so in its tag', async () => {
    await using world = await imageWorld();
    const [image] = await world.find(JAMMY, CANONICAL);
    const ImageId = image?.ImageId ?? '';
    const id = await world.launchOne({ ImageId });
    assert.equal(await world.state(id), 'running');
    const instance = await world.describe(id);
    assert.equal(instance.ImageId, ImageId);
    const tag = { Key: 'aws:holdfast:image', Value: `${ImageId} is mapped to ${simBaseImage.name}` };
    assert.deepEqual(instance.Tags, [tag]);
    assert.deepEqual(image?.Tags, [tag]);
    assert.deepEqual(world.drivers.compute.spec(id)?.layers, simBaseImage.layers);
    const { Volumes } = await world.call('DescribeVolumes', {});
    assert.equal(Volumes[0].VolumeType, 'gp2');
    assert.deepEqual(await world.ask({ ImageIds: [ImageId] }), [image]);
    assert.deepEqual(await world.ask({ Filters: [{ Name: 'image-id', Values: [ImageId] }] }), [image]);
    const named = { Name: 'name', Values: [JAMMY] };
    assert.deepEqual(await world.ask({ ImageIds: [ImageId], Filters: [named] }), [image], 'once');
    await assert.rejects(world.call('DeregisterImage', { ImageId }), { code: 'AuthFailure' });
    const copied = await world.call('CopyImage', {
      SourceImageId: ImageId,
      SourceRegion: REGION,
      Name: 'mine',
    });
    await world.idle();
    assert.equal(await world.state(await world.launchOne({ ImageId: copied.ImageId })), 'running');
    assert.deepEqual(world.errors, []);
  });

  test('runs what the family is mapped to, by the narrowest pattern', async () => {
    await using world = await imageWorld();
    const golden = await world.call('CreateImage', { InstanceId: await world.launchOne(), Name: 'golden' });
    await world.idle();
    world.map('amzn2-*', 'debian-12');
    world.map(AMZN2, 'golden');
    const standsFor = async (pattern: string) => (await world.find(pattern))[0]?.Tags?.[0]?.Value;
    assert.match((await standsFor(AMZN2)) ?? '', / is mapped to golden$/);
    assert.match((await standsFor('amzn2-ami-hvm-*-ebs')) ?? '', / is mapped to debian-12-amd64-simulated$/);
    const parameter = async (name: string) =>
      (await new SSMClient(world.settings).send(new GetParameterCommand({ Name: name }))).Parameter?.Value;
    const linux = '/aws/service/ami-amazon-linux-latest';
    assert.equal(await parameter(`${linux}/amzn2-ami-hvm-x86_64-gp2`), golden.ImageId);
    assert.equal(await parameter(`${linux}/amzn2-ami-hvm-x86_64-ebs`), await world.imageId());
    const found = await world.find(AMZN2);
    world.unmap(AMZN2);
    assert.match((await standsFor(AMZN2)) ?? '', / is mapped to debian-12-amd64-simulated$/);
    assert.equal((await world.find(AMZN2))[0]?.ImageId, found[0]?.ImageId);
  });

  test('is more recent than the machine’s own image where the user has mapped its family', async () => {
    await using world = await imageWorld({ ...simBaseImage, name: 'ours', imported: true });
    world.map('debian-12-amd64-*', 'ours');
    const found = await world.find('debian-12-*');
    assert.equal(found.length, 2);
    assert.equal(newest(found), 'debian-12-amd64-20260101-2344');
  });

  test('is of an architecture that is there; a pattern is mapped only to an image of its own', async () => {
    await using world = await imageWorld(onArm);
    const arm = 'al2023-ami-2023.*-kernel-6.1-arm64';
    assert.deepEqual(await world.find(arm), []);
    for (const [pattern, image, words] of [
      [AMZN2, 'ours', /nor a pattern of the names of public arm64 images/],
      ['Windows_Server-*', 'debian-12', /nor a pattern of the names of public x86_64 images/],
      [AMZN2, 'nothing', /there is no image 'nothing'/],
    ] as const) {
      assert.throws(() => world.map(pattern, image), { code: 'InvalidParameterValue', message: words });
    }
    world.map('al2023-*', 'ours');
    assert.equal((await world.find(arm))[0]?.Architecture, 'arm64');
    assert.deepEqual((await world.find('al2023-*-kernel-6.1-x86_64'))[0]?.Architecture, 'x86_64');
  });
});
