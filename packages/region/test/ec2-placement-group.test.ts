import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type * as ec2 from '@aws-sdk/client-ec2';
import { virtualClock } from '../src/clock.ts';
import { simDrivers } from '../src/drivers/sim/index.ts';
import { hosts } from '../src/services/ec2/records.ts';
import { code, faultWorld, ZONE } from './ec2-fault-world.ts';
import { ec2World, minutes, REGION } from './ec2-world.ts';

async function groupWorld(hostsPerZone = 3) {
  const world = await faultWorld({ settings: { hostsPerZone } });
  const { PlacementGroup } = await world.call('CreatePlacementGroup', {
    GroupName: 'apart',
    Strategy: 'spread',
    TagSpecifications: [{ ResourceType: 'placement-group', Tags: [{ Key: 'Name', Value: 'tier' }] }],
  });
  const group = PlacementGroup as ec2.PlacementGroup;
  const inGroup = (input: object = {}): Promise<ec2.Instance[]> =>
    world.launch({ Placement: { AvailabilityZone: ZONE, GroupName: 'apart' }, ...input });
  const hostsOf = (launched: readonly ec2.Instance[]): string[] =>
    launched.map((one) => world.hostOf(one.InstanceId ?? '')).toSorted();
  return { ...world, group, inGroup, hostsOf };
}

describe('a spread placement group', () => {
  it('is described as it was made, by name, id, filter and tag', async () => {
    const { call, group } = await groupWorld();
    assert.match(group.GroupId ?? '', /^pg-[0-9a-f]{17}$/);
    assert.deepEqual(group, {
      GroupId: group.GroupId,
      GroupName: 'apart',
      GroupArn: 'arn:aws:ec2:us-west-2:000000000000:placement-group/apart',
      State: 'available',
      Strategy: 'spread',
      SpreadLevel: 'rack',
      Tags: [{ Key: 'Name', Value: 'tier' }],
    });
    const asked = [
      { GroupNames: ['apart'] },
      { GroupIds: [group.GroupId] },
      { Filters: [{ Name: 'strategy', Values: ['spread'] }] },
      { Filters: [{ Name: 'tag:Name', Values: ['tier'] }] },
    ];
    for (const input of asked) {
      assert.deepEqual((await call('DescribePlacementGroups', input)).PlacementGroups, [group]);
    }
    await call('CreateTags', { Resources: [group.GroupId], Tags: [{ Key: 'Name', Value: 'other' }] });
    const { PlacementGroups } = await call('DescribePlacementGroups');
    assert.deepEqual(PlacementGroups[0].Tags, [{ Key: 'Name', Value: 'other' }]);
  });

  it('puts no two of its instances of a zone on one host, and says when there is no further host', async () => {
    const { call, inGroup, hostsOf, launch, drivers } = await groupWorld();
    await launch({ MinCount: 4, MaxCount: 4, Placement: { AvailabilityZone: ZONE } });
    const launched = [...(await inGroup({ MinCount: 2, MaxCount: 2 })), ...(await inGroup())];
    assert.deepEqual(hostsOf(launched), [`${ZONE}-h1`, `${ZONE}-h2`, `${ZONE}-h3`]);
    assert.deepEqual(
      launched.map((one) => one.Placement?.GroupName),
      ['apart', 'apart', 'apart'],
    );
    await assert.rejects(inGroup(), {
      ...code('InsufficientInstanceCapacity', /'apart'.*\(us-west-2a\).*us-west-2b, us-west-2c, us-west-2d/),
      httpStatus: 500,
    });
    const Filters = [{ Name: 'placement-group-name', Values: ['apart'] }];
    const found = (await call('DescribeInstances', { Filters })).Reservations.flatMap(
      (one: ec2.Reservation) => one.Instances,
    );
    assert.equal(found.length, 3, 'the refused launch left nothing');
    const metadata = drivers.edge.records.get(
      `instance/${launched[0]?.InstanceId}/metadata/${launched[0]?.PrivateIpAddress}`,
    );
    assert(metadata?.kind === 'metadata');
    assert.equal(metadata.metadata.placementGroup, 'apart');
  });

  it('launches as many as there are hosts for when fewer will do, and goes to another zone when it may', async () => {
    const { inGroup, hostsOf, launch, describe: described } = await groupWorld(2);
    assert.deepEqual(hostsOf(await inGroup({ MinCount: 1, MaxCount: 5 })), [`${ZONE}-h1`, `${ZONE}-h2`]);
    await assert.rejects(
      launch({ MinCount: 3, MaxCount: 3, Placement: { GroupName: 'apart' } }),
      code('InsufficientInstanceCapacity'),
    );
    const zones: (string | undefined)[] = [];
    for (let number = 0; number < 6; number += 1) {
      const [one] = await launch({ Placement: { GroupName: 'apart' } });
      zones.push((await described(one?.InstanceId ?? '')).Placement?.AvailabilityZone);
    }
    assert(!zones.includes(ZONE));
    await assert.rejects(
      launch({ Placement: { GroupName: 'apart' } }),
      code('InsufficientInstanceCapacity', /Placement Group 'apart'/),
    );
  });

  it('holds seven running instances of a zone, however many hosts that has', async () => {
    const { inGroup, call, idle } = await groupWorld(9);
    const launched = await inGroup({ MinCount: 1, MaxCount: 9 });
    assert.equal(launched.length, 7);
    await assert.rejects(inGroup(), code('InsufficientInstanceCapacity'));
    await call('StopInstances', { InstanceIds: [launched[0]?.InstanceId] });
    await idle();
    assert.equal((await inGroup()).length, 1);
    await assert.rejects(
      call('StartInstances', { InstanceIds: [launched[0]?.InstanceId] }),
      code('InsufficientInstanceCapacity'),
    );
  });

  it('stays apart when an instance is started again, and when one is recovered', async () => {
    const { call, idle, inGroup, hostsOf, hostOf, inject, recover, launch } = await groupWorld();
    const [first, second] = await inGroup({ MinCount: 2, MaxCount: 2 });
    const id = first?.InstanceId ?? '';
    const other = hostOf(second?.InstanceId ?? '');
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    // Those of no group crowd every host but the one that the group's other instance has.
    await launch({ MinCount: 6, MaxCount: 6, Placement: { AvailabilityZone: ZONE } });
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.notEqual(hostOf(id), other);
    const failed = hostOf(id);
    await inject('host', failed);
    assert.equal((await recover(id)).outcome, 'recovered');
    assert.equal(new Set([failed, ...hostsOf([first as ec2.Instance, second as ec2.Instance])]).size, 3);
  });

  it('has a recovery wait when each host that is well has one of it', async () => {
    const { inGroup, hostOf, inject, recover, call, idle, advance } = await groupWorld(2);
    const [first, second] = await inGroup({ MinCount: 2, MaxCount: 2 });
    const id = first?.InstanceId ?? '';
    const free = hostOf(second?.InstanceId ?? '');
    await inject('host', hostOf(id));
    const recovery = await recover(id);
    assert.equal(recovery.outcome, 'waiting');
    assert.match(recovery.outcome === 'waiting' ? recovery.error.message : '', /Placement Group 'apart'/);
    await call('TerminateInstances', { InstanceIds: [second?.InstanceId] });
    await idle();
    await advance(minutes(1));
    assert.equal(hostOf(id), free);
  });

  it('is entered and left by stopped instances', async () => {
    const { call, idle, inGroup, inZone, hostOf, describe: described, group } = await groupWorld(2);
    const [member] = await inGroup();
    const id = await inZone();
    const enter = { InstanceId: id, GroupName: 'apart' };
    await assert.rejects(call('ModifyInstancePlacement', enter), code('IncorrectInstanceState'));
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    assert.deepEqual(await call('ModifyInstancePlacement', enter), { Return: true });
    assert.equal((await described(id)).Placement?.GroupId, group.GroupId);
    await call('StartInstances', { InstanceIds: [id] });
    await idle();
    assert.notEqual(hostOf(id), hostOf(member?.InstanceId ?? ''));
    await call('StopInstances', { InstanceIds: [id] });
    await idle();
    await call('ModifyInstancePlacement', { InstanceId: id, GroupName: '' });
    assert.equal((await described(id)).Placement?.GroupName, '');
    const refusals: [object, string][] = [
      [{ InstanceId: id, GroupName: 'nobody' }, 'InvalidPlacementGroup.Unknown'],
      [{ InstanceId: id, Tenancy: 'host' }, 'UnsupportedOperation'],
      [{ InstanceId: id, PartitionNumber: 1 }, 'UnsupportedOperation'],
      [{ InstanceId: id }, 'MissingParameter'],
    ];
    for (const [input, expected] of refusals) {
      await assert.rejects(call('ModifyInstancePlacement', input), code(expected), JSON.stringify(input));
    }
  });

  it('is deleted only when none of its instances is left, and its errors are those of AWS', async () => {
    const { call, idle, inGroup, launch, group, imageId } = await groupWorld();
    const [member] = await inGroup();
    await call('StopInstances', { InstanceIds: [member?.InstanceId] });
    await idle();
    const refusals: [string, object, string, RegExp][] = [
      [
        'DeletePlacementGroup',
        { GroupName: 'apart' },
        'InvalidPlacementGroup.InUse',
        /is in use and may not/,
      ],
      ['DeletePlacementGroup', { GroupName: 'gone' }, 'InvalidPlacementGroup.Unknown', /'gone' is unknown/],
      ['DescribePlacementGroups', { GroupNames: ['gone'] }, 'InvalidPlacementGroup.Unknown', /'gone'/],
      [
        'CreatePlacementGroup',
        { GroupName: 'apart', Strategy: 'spread' },
        'InvalidPlacementGroup.Duplicate',
        /already exists/,
      ],
      ['CreatePlacementGroup', { GroupName: 'fast' }, 'UnsupportedOperation', /strategy cluster/],
      [
        'CreatePlacementGroup',
        { GroupName: 'sets', Strategy: 'partition', PartitionCount: 3 },
        'UnsupportedOperation',
        /strategy partition/,
      ],
      [
        'CreatePlacementGroup',
        { GroupName: 'host', Strategy: 'spread', SpreadLevel: 'host' },
        'UnsupportedOperation',
        /Outposts/,
      ],
      [
        'CreatePlacementGroup',
        { GroupName: 'two', Strategy: 'spread', PartitionCount: 2 },
        'InvalidParameterCombination',
        /PartitionCount/,
      ],
      ['CreatePlacementGroup', { Strategy: 'spread' }, 'MissingParameter', /GroupName/],
    ];
    for (const [operation, input, expected, message] of refusals) {
      await assert.rejects(call(operation, input), code(expected, message), JSON.stringify(input));
    }
    await assert.rejects(launch({ Placement: { GroupName: 'gone' } }), code('InvalidPlacementGroup.Unknown'));
    await assert.rejects(
      launch({ Placement: { GroupName: 'apart', GroupId: group.GroupId } }),
      code('InvalidParameterCombination'),
    );
    await call('CreateLaunchTemplate', {
      LaunchTemplateName: 'apart',
      LaunchTemplateData: {
        ImageId: await imageId(),
        InstanceType: 't3.nano',
        Placement: { GroupId: group.GroupId },
      },
    });
    const [fromTemplate] = (
      await call('RunInstances', {
        LaunchTemplate: { LaunchTemplateName: 'apart' },
        MinCount: 1,
        MaxCount: 1,
      })
    ).Instances;
    assert.equal(fromTemplate.Placement.GroupName, 'apart');
    await call('TerminateInstances', { InstanceIds: [member?.InstanceId, fromTemplate.InstanceId] });
    await idle();
    await call('DeletePlacementGroup', { GroupName: 'apart' });
    assert.deepEqual((await call('DescribePlacementGroups')).PlacementGroups, []);
  });
});

describe('the hosts of a zone', () => {
  it('become more when control starts with a higher number, and never fewer', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hosts-'));
    const clock = virtualClock();
    const drivers = simDrivers(clock);
    const storeFile = join(directory, 'store.db');
    try {
      const counts: number[] = [];
      for (const hostsPerZone of [2, 3, 1]) {
        const { region, call } = await ec2World({ clock, drivers, storeFile, settings: { hostsPerZone } });
        await call('DescribeVpcs');
        counts.push(region.store.list(hosts, REGION).filter(({ spec }) => spec.zone === ZONE).length);
        await region.stop();
      }
      assert.deepEqual(counts, [2, 3, 3]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
