/** Groups whose instances are kept apart by a placement group, which the group or its template names. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { instances } from '../src/services/ec2/records.ts';
import { minutes, REGION } from './ec2-world.ts';
import { elbv2World } from './elbv2-world.ts';

async function groupWorld() {
  const world = await elbv2World({ settings: { hostsPerZone: 2 } });
  const { asg, ec2, idle, imageId, region, subnets } = world;
  for (const GroupName of ['apart', 'others']) {
    await ec2('CreatePlacementGroup', { GroupName, Strategy: 'spread' });
  }
  const { PlacementGroups } = await ec2('DescribePlacementGroups', { GroupNames: ['others'] });
  await ec2('CreateLaunchTemplate', {
    LaunchTemplateName: 'web',
    LaunchTemplateData: {
      ImageId: await imageId(),
      InstanceType: 't3.nano',
      Placement: { GroupId: PlacementGroups[0].GroupId },
    },
  });
  const make = async (input: object = {}): Promise<void> => {
    await asg('CreateAutoScalingGroup', {
      AutoScalingGroupName: 'web',
      LaunchTemplate: { LaunchTemplateName: 'web', Version: '$Latest' },
      MinSize: 0,
      MaxSize: 8,
      DesiredCapacity: 4,
      VPCZoneIdentifier: subnets.join(','),
      PlacementGroup: 'apart',
      ...input,
    });
    await idle();
  };
  // biome-ignore lint/suspicious/noExplicitAny: a story reads the whole group.
  const group = async (): Promise<any> => (await asg('DescribeAutoScalingGroups')).AutoScalingGroups[0];
  const hostsOf = async (): Promise<string[]> =>
    (await group()).Instances.map(
      (one: { InstanceId: string }) => region.store.get(instances, REGION, one.InstanceId)?.spec.hostId,
    ).toSorted();
  return { ...world, make, group, hostsOf };
}

const EACH_HOST = ['us-west-2a-h1', 'us-west-2a-h2', 'us-west-2b-h1', 'us-west-2b-h2'];

describe('an Auto Scaling group with a placement group', () => {
  it('has one instance on each host of its zones, and says why there is no fifth', async () => {
    const { make, group, hostsOf, asg, ec2, advance, errors } = await groupWorld();
    await make();
    assert.deepEqual(await hostsOf(), EACH_HOST);
    assert.equal((await group()).PlacementGroup, 'apart');
    const { Reservations } = await ec2('DescribeInstances', {
      Filters: [{ Name: 'placement-group-name', Values: ['apart'] }],
    });
    assert.equal(Reservations.length, 4, 'the group’s placement group stands over the template’s');
    await asg('SetDesiredCapacity', { AutoScalingGroupName: 'web', DesiredCapacity: 5 });
    await advance(minutes(2));
    assert.deepEqual(await hostsOf(), EACH_HOST);
    const { Activities } = await asg('DescribeScalingActivities', { AutoScalingGroupName: 'web' });
    assert.equal(Activities[0].StatusCode, 'Failed');
    assert.match(Activities[0].StatusMessage, /Placement Group 'apart'.* Launching EC2 instance failed\.$/);
    assert.deepEqual(errors, []);
  });

  it('launches into that of its template when it has none of its own any more', async () => {
    const { make, group, asg, ec2, idle } = await groupWorld();
    await make({ DesiredCapacity: 1 });
    await asg('UpdateAutoScalingGroup', {
      AutoScalingGroupName: 'web',
      PlacementGroup: '',
      DesiredCapacity: 2,
    });
    await idle();
    assert.equal((await group()).PlacementGroup, undefined);
    for (const name of ['apart', 'others']) {
      const Filters = [{ Name: 'placement-group-name', Values: [name] }];
      assert.equal((await ec2('DescribeInstances', { Filters })).Reservations.length, 1, name);
    }
    await assert.rejects(
      asg('UpdateAutoScalingGroup', { AutoScalingGroupName: 'web', PlacementGroup: 'gone' }),
      { code: 'ValidationError', message: /'gone' is unknown/ },
    );
  });
});
