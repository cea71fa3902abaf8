import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ec2World } from './ec2-world.ts';

async function withTemplate() {
  const world = await ec2World();
  const ImageId = await world.imageId();
  const { LaunchTemplate } = await world.call('CreateLaunchTemplate', {
    LaunchTemplateName: 'web',
    VersionDescription: 'first',
    LaunchTemplateData: {
      ImageId,
      InstanceType: 't3.micro',
      UserData: Buffer.from('one').toString('base64'),
      TagSpecifications: [
        {
          ResourceType: 'instance',
          Tags: [
            { Key: 'Name', Value: 'web' },
            { Key: 'v', Value: '1' },
          ],
        },
      ],
    },
  });
  const second = (input: object = {}) =>
    world.call('CreateLaunchTemplateVersion', {
      LaunchTemplateName: 'web',
      SourceVersion: '1',
      LaunchTemplateData: { InstanceType: 't3.small' },
      ...input,
    });
  const run = async (reference: object, input: object = {}) => {
    const launched = await world.call('RunInstances', {
      LaunchTemplate: reference,
      MinCount: 1,
      MaxCount: 1,
      ...input,
    });
    return launched.Instances[0];
  };
  return { ...world, ImageId, LaunchTemplate, second, run };
}

describe('a launch template', () => {
  test('is launched in the version that is named; the caller wins over it', async () => {
    const { LaunchTemplate, second, run } = await withTemplate();
    assert.equal(LaunchTemplate.LatestVersionNumber, 1);
    const { LaunchTemplateVersion } = await second();
    assert.equal(LaunchTemplateVersion.VersionNumber, 2);
    assert.equal(LaunchTemplateVersion.DefaultVersion, false);
    assert.equal(LaunchTemplateVersion.LaunchTemplateData.InstanceType, 't3.small');
    assert.equal(LaunchTemplateVersion.LaunchTemplateData.UserData, Buffer.from('one').toString('base64'));

    const name = { LaunchTemplateName: 'web' };
    assert.equal((await run(name)).InstanceType, 't3.micro');
    assert.equal((await run({ ...name, Version: '$Latest' })).InstanceType, 't3.small');
    assert.equal(
      (await run({ LaunchTemplateId: LaunchTemplate.LaunchTemplateId, Version: '2' })).InstanceType,
      't3.small',
    );
    const own = await run(name, {
      InstanceType: 'm5.large',
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'v', Value: '2' }] }],
    });
    assert.equal(own.InstanceType, 'm5.large');
    const tags = new Map(own.Tags.map((tag: { Key: string; Value: string }) => [tag.Key, tag.Value]));
    assert.equal(tags.get('Name'), 'web');
    assert.equal(tags.get('v'), '2');
    assert.equal(tags.get('aws:ec2launchtemplate:id'), LaunchTemplate.LaunchTemplateId);
    assert.equal(tags.get('aws:ec2launchtemplate:version'), '1');
  });

  test('has a default version that can be moved, and cannot be deleted', async () => {
    const { call, second, run } = await withTemplate();
    await second();
    await call('ModifyLaunchTemplate', { LaunchTemplateName: 'web', DefaultVersion: '2' });
    assert.equal((await run({ LaunchTemplateName: 'web' })).InstanceType, 't3.small');
    const described = async (Versions: string[]) =>
      (await call('DescribeLaunchTemplateVersions', { LaunchTemplateName: 'web', Versions }))
        .LaunchTemplateVersions;
    assert.equal((await described(['$Default']))[0].VersionNumber, 2);
    assert.deepEqual(
      (await described([])).map((one: { VersionNumber: number }) => one.VersionNumber),
      [2, 1],
    );
    const deleted = await call('DeleteLaunchTemplateVersions', {
      LaunchTemplateName: 'web',
      Versions: ['1', '2', '9'],
    });
    assert.deepEqual(
      deleted.SuccessfullyDeletedLaunchTemplateVersions.map(
        (one: { VersionNumber: number }) => one.VersionNumber,
      ),
      [1],
    );
    assert.equal(deleted.UnsuccessfullyDeletedLaunchTemplateVersions.length, 2);
    await assert.rejects(described(['1']), { code: 'InvalidLaunchTemplateId.VersionNotFound' });
    const third = await second({ SourceVersion: '2' });
    assert.equal(third.LaunchTemplateVersion.VersionNumber, 3, 'numbers are never given twice');
  });

  test('is not found by the codes that clients wait for', async () => {
    const { call, second, LaunchTemplate, ImageId } = await withTemplate();
    const { LaunchTemplateId } = LaunchTemplate;
    await assert.rejects(
      call('CreateLaunchTemplate', { LaunchTemplateName: 'web', LaunchTemplateData: { ImageId } }),
      {
        code: 'InvalidLaunchTemplateName.AlreadyExistsException',
      },
    );
    await assert.rejects(second({ SourceVersion: '7' }), { code: 'InvalidLaunchTemplateId.VersionNotFound' });
    await assert.rejects(
      call('CreateLaunchTemplate', {
        LaunchTemplateName: 'spot',
        LaunchTemplateData: { InstanceMarketOptions: { MarketType: 'spot' } },
      }),
      { code: 'UnsupportedOperation' },
    );
    await call('DeleteLaunchTemplate', { LaunchTemplateId });
    await assert.rejects(call('DescribeLaunchTemplates', { LaunchTemplateIds: [LaunchTemplateId] }), {
      code: 'InvalidLaunchTemplateId.NotFound',
    });
    await assert.rejects(call('DescribeLaunchTemplates', { LaunchTemplateNames: ['web'] }), {
      code: 'InvalidLaunchTemplateName.NotFoundException',
    });
    assert.deepEqual((await call('DescribeLaunchTemplates')).LaunchTemplates, []);
  });
});
