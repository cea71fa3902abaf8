/** Image ids from elsewhere, and launches by parameter instead of by id. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { virtualClock } from '../src/clock.ts';
import { simBaseImage } from '../src/drivers/sim/compute.ts';
import { simDrivers } from '../src/drivers/sim/index.ts';
import { imageMappings, mapImage, unmapImage } from '../src/services/ec2/image/mapping.ts';
import { ec2World, REGION } from './ec2-world.ts';

const FOREIGN = 'ami-1ecae776';
const DEBIAN = '/aws/service/debian/release/12/latest/amd64';

const code = (name: string, message?: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, name, error.message);
  if (message) assert.match(error.message, message);
  return true;
};

async function mappingWorld(settings: { unknownAmi?: string } = {}) {
  const world = await ec2World({ settings });
  const map = (id: string, name: string) =>
    world.region.transact(REGION, (scope) => mapImage(scope, id, name));
  const unmap = (id: string) => world.region.transact(REGION, (scope) => unmapImage(scope, id));
  return { ...world, map, unmap };
}

describe('an image id that no image has', () => {
  test('is an error, as on AWS, while nobody has mapped it', async () => {
    const { call, launch, map, unmap } = await mappingWorld();
    await assert.rejects(launch({ ImageId: FOREIGN }), code('InvalidAMIID.NotFound'));
    await assert.rejects(
      call('DescribeImages', { ImageIds: [FOREIGN] }),
      code('InvalidAMIID.NotFound', /The image id '\[ami-1ecae776\]' does not exist/),
    );
    map(FOREIGN, 'debian-12');
    unmap(FOREIGN);
    await assert.rejects(launch({ ImageId: FOREIGN }), code('InvalidAMIID.NotFound'));
  });

  test('launches what it is mapped to, keeps its id and says so in a tag', async () => {
    const { call, launchOne, describe, drivers, idle, map, state, errors } = await mappingWorld();
    map(FOREIGN, 'debian-12');
    const id = await launchOne({
      ImageId: FOREIGN,
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'web' }] }],
    });
    assert.equal(await state(id), 'running');
    const instance = await describe(id);
    assert.equal(instance.ImageId, FOREIGN);
    assert.deepEqual(
      instance.Tags?.toSorted((a, b) => ((a.Key ?? '') < (b.Key ?? '') ? 1 : -1)),
      [
        { Key: 'aws:holdfast:image', Value: 'ami-1ecae776 is mapped to debian-12-amd64-simulated' },
        { Key: 'Name', Value: 'web' },
      ],
    );
    assert.deepEqual(drivers.compute.spec(id)?.layers, ['base-debian-12-simulated']);
    const { ImageId } = await call('CreateImage', { InstanceId: id, Name: 'golden' });
    await idle();
    const { Images } = await call('DescribeImages', { ImageIds: [ImageId] });
    assert.equal(Images[0].State, 'available');
    assert.deepEqual(errors, []);
  });

  test('is described with that id when it is asked for, and does not stand in listings', async () => {
    const { call, imageId, map } = await mappingWorld();
    map(FOREIGN, 'debian-12-amd64-simulated');
    const ask = async (input: object) => (await call('DescribeImages', input)).Images;
    const [found, ...others] = await ask({ ImageIds: [FOREIGN] });
    assert.deepEqual([found.ImageId, found.State, found.RootDeviceName], [FOREIGN, 'available', '/dev/xvda']);
    assert.deepEqual(others, []);
    const filtered = await ask({ Filters: [{ Name: 'image-id', Values: [FOREIGN, 'ami-*'] }] });
    assert.equal(filtered.length, 2);
    assert.equal((await ask({ ImageIds: [await imageId(), FOREIGN] })).length, 2);
    assert.deepEqual(
      (await ask({})).map((image: { ImageId: string }) => image.ImageId),
      [await imageId()],
    );
    const attribute = { ImageId: FOREIGN, Attribute: 'launchPermission' };
    assert.deepEqual((await call('DescribeImageAttribute', attribute)).LaunchPermissions, [{ Group: 'all' }]);
    await assert.rejects(call('DeregisterImage', { ImageId: FOREIGN }), code('AuthFailure'));
  });

  test('stands for the default image where there is one, unless it once was an image here', async () => {
    const { call, idle, launchOne, describe, map } = await mappingWorld({ unknownAmi: 'debian-12' });
    const id = await launchOne({ ImageId: FOREIGN });
    assert.equal((await describe(id)).ImageId, FOREIGN);
    const { ImageId } = await call('CreateImage', { InstanceId: id, Name: 'golden' });
    await idle();
    map(FOREIGN, 'golden');
    const again = await launchOne({ ImageId: FOREIGN });
    assert.deepEqual((await describe(again)).Tags, [
      { Key: 'aws:holdfast:image', Value: 'ami-1ecae776 is mapped to golden' },
    ]);
    await call('DeregisterImage', { ImageId });
    // Whoever waits for the end of an image must see it: Terraform asks until it is not found.
    await assert.rejects(call('DescribeImages', { ImageIds: [ImageId] }), code('InvalidAMIID.NotFound'));
    await assert.rejects(launchOne({ ImageId: FOREIGN }), code('InvalidAMIID.NotFound'));
    await assert.rejects(launchOne({ ImageId: 'ami-12' }), code('InvalidAMIID.Malformed'));
  });

  test('is mapped only to what there is, and only if it is none itself', async () => {
    const { call, imageId, map, unmap, region } = await mappingWorld();
    const own = await imageId();
    for (const [id, name, words] of [
      ['ami-12', 'debian-12', /neither an image id/],
      ['/my/own', 'debian-12', /nor the name of a public parameter/],
      [own, 'debian-12', /an image of its own/],
      [
        FOREIGN,
        'debian-1',
        /there is no image 'debian-1' in us-west-2; there are: debian-12-amd64-simulated/,
      ],
    ] as const) {
      assert.throws(() => map(id, name), code('InvalidParameterValue', words));
    }
    assert.throws(() => unmap(FOREIGN), code('InvalidParameterValue', /is not mapped/));
    map(FOREIGN, own);
    map(FOREIGN, 'debian-12');
    assert.deepEqual(
      region.store.list(imageMappings, 'global').map(({ id, spec }) => [id, spec.imageName]),
      [[FOREIGN, 'debian-12']],
    );
    assert.equal((await call('DescribeImages', { ImageIds: [FOREIGN] })).Images.length, 1);
  });
});

describe('an imported image', () => {
  test('is the account’s own, launches, and is gone from the region that deregisters it', async () => {
    const clock = virtualClock();
    const drivers = simDrivers(clock);
    const ours = { ...simBaseImage, name: 'ours', imported: true };
    drivers.compute.images = async () => [simBaseImage, ours];
    const { call, launchOne, state } = await ec2World({ clock, drivers });
    const own = async (inRegion = REGION): Promise<{ ImageId: string; Public: boolean }[]> =>
      (await call('DescribeImages', { Owners: ['self'] }, inRegion)).Images;
    const [image] = await own();
    assert.equal(image?.Public, false);
    const id = await launchOne({ ImageId: image?.ImageId });
    assert.equal(await state(id), 'running');
    await assert.rejects(call('DeregisterImage', { ImageId: FOREIGN }), code('InvalidAMIID.NotFound'));
    await call('DeregisterImage', { ImageId: image?.ImageId });
    assert.deepEqual(await own(), []);
    assert.equal((await own('eu-west-1')).length, 1);
    await assert.rejects(call('DeregisterImage', { ImageId: image?.ImageId }), code('InvalidAMIID.NotFound'));
    assert.equal(await state(id), 'running');
  });
});

describe('resolve:ssm: in place of an image id', () => {
  test('launches what the parameter holds, from a request and from a launch template', async () => {
    const { call, launch, launchOne, describe, imageId } = await ec2World();
    const direct = await launchOne({ ImageId: `resolve:ssm:${DEBIAN}` });
    assert.equal((await describe(direct)).ImageId, await imageId());
    const pinned = await launchOne({ ImageId: `resolve:ssm:${DEBIAN}:1` });
    assert.equal((await describe(pinned)).ImageId, await imageId());
    const { LaunchTemplate } = await call('CreateLaunchTemplate', {
      LaunchTemplateName: 'web',
      LaunchTemplateData: { ImageId: `resolve:ssm:${DEBIAN}`, InstanceType: 't3.micro' },
    });
    const { LaunchTemplateVersions } = await call('DescribeLaunchTemplateVersions', {
      LaunchTemplateId: LaunchTemplate.LaunchTemplateId,
    });
    assert.equal(LaunchTemplateVersions[0].LaunchTemplateData.ImageId, `resolve:ssm:${DEBIAN}`);
    const { Instances } = await call('RunInstances', {
      LaunchTemplate: { LaunchTemplateName: 'web' },
      MinCount: 1,
      MaxCount: 1,
    });
    assert.equal(Instances[0].ImageId, await imageId());
    const arn = (region: string): string => `arn:aws:ssm:${region}::parameter${DEBIAN}`;
    const byArn = await launchOne({ ImageId: `resolve:ssm:${arn('us-west-2')}` });
    assert.equal((await describe(byArn)).ImageId, await imageId());
    for (const reference of ['/my/own', `${DEBIAN}:2`, `${DEBIAN}:1:1`, arn('eu-west-1'), '']) {
      const launching = launch({ ImageId: `resolve:ssm:${reference}` });
      await assert.rejects(launching, code('SsmInvalidParameter'), reference);
    }
    await assert.rejects(
      call('DescribeImages', { ImageIds: [`resolve:ssm:${DEBIAN}`] }),
      code('InvalidAMIID.Malformed'),
    );
  });
});
