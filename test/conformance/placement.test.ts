/** Where instances go, and what is read of them, by the stock command line, on a region of simulated drivers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { withoutAws } from '../support/needs.ts';
import { startRegion, type TestRegion } from '../support/region.ts';

let region: TestRegion;
const ec2 = (...args: string[]) => region.aws('ec2', ...args);

const skip = withoutAws();

describe('the stock command line', { skip, timeout: 120_000 }, () => {
  let imageId: string;
  const launch = (count: string, ...args: string[]): string[] => [
    'run-instances',
    ...['--image-id', imageId, '--instance-type', 't3.micro', '--count', count, ...args],
  ];
  const hostsIn = async (): Promise<string[]> => {
    const { instances } = JSON.parse((await region.holdfast('status', '--json')).stdout);
    return instances.map((one: { host: string }) => one.host).toSorted();
  };

  before(async () => {
    region = await startRegion({
      prefix: 'hpg',
      driver: 'sim',
      upArguments: ['--hosts-per-zone', '3'],
    });
    imageId = (await ec2('describe-images', '--owners', 'amazon')).Images[0].ImageId;
  });
  after(async () => {
    await region?.down();
  });

  test('keeps instances of a spread placement group on hosts of their own', async () => {
    const { PlacementGroup } = await ec2(
      ...['create-placement-group', '--group-name', 'apart', '--strategy', 'spread'],
    );
    assert.equal(PlacementGroup.SpreadLevel, 'rack');
    const where = ['--placement', 'GroupName=apart,AvailabilityZone=us-west-2a'];
    const { Instances } = await ec2(...launch('2:5', ...where));
    assert.equal(Instances.length, 3);
    assert.deepEqual(await hostsIn(), ['us-west-2a-h1', 'us-west-2a-h2', 'us-west-2a-h3']);
    const refused = await region.awsFails('ec2', ...launch('1', ...where));
    assert.match(refused.stderr, /\(InsufficientInstanceCapacity\).*Placement Group 'apart'/);
    const inUse = await region.awsFails('ec2', 'delete-placement-group', '--group-name', 'apart');
    assert.match(inUse.stderr, /\(InvalidPlacementGroup.InUse\).*'apart' is in use and may not be deleted/);
    const unknown = await region.awsFails('ec2', 'describe-placement-groups', '--group-names', 'gone');
    assert.match(unknown.stderr, /\(InvalidPlacementGroup.Unknown\).*The Placement Group 'gone' is unknown/);
  });

  test('reads what an instance is, and makes a template of it', async () => {
    const options = ['--maintenance-options', 'AutoRecovery=disabled', '--disable-api-stop'];
    const [{ InstanceId: id }] = (await ec2(...launch('1', ...options))).Instances;
    const { LaunchTemplateData } = await ec2('get-launch-template-data', '--instance-id', id);
    assert.equal(LaunchTemplateData.MaintenanceOptions.AutoRecovery, 'disabled');
    assert.equal(LaunchTemplateData.DisableApiStop, true);
    const changed = await ec2(
      ...['modify-instance-maintenance-options', '--instance-id', id, '--auto-recovery', 'default'],
    );
    assert.equal(changed.AutoRecovery, 'default');
    const kept = await region.awsFails('ec2', 'stop-instances', '--instance-ids', id);
    assert.match(kept.stderr, /\(OperationNotPermitted\).*may not be stopped/);
    await ec2('modify-instance-attribute', '--instance-id', id, '--no-disable-api-stop');
    await ec2('reset-instance-attribute', '--instance-id', id, '--attribute', 'sourceDestCheck');
    assert.equal((await ec2('get-password-data', '--instance-id', id)).PasswordData, '');
    const { Reservations } = await ec2(
      ...['describe-instances', '--filters', 'Name=maintenance-options.auto-recovery,Values=default'],
    );
    assert.equal(Reservations.length, 2);
  });

  test('is told how many hosts a zone may have', async () => {
    const refused = await region.holdfast('up', '--hosts-per-zone', '0');
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--hosts-per-zone 0: 1 to 100/);
  });
});
