/**
 * The example web tier by stock Terraform, on simulated instances: applied, found as described also after the group has
 * replaced an instance, changed by another version of its template, destroyed. On real instances its parts run elsewhere.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { type Clients, connect } from '../../packages/holdfast/src/demo/stack.ts';
import { described } from '../support/described.ts';
import { becomes, until } from '../support/instances.ts';
import { startRegion, type TestRegion } from '../support/region.ts';
import { type Terraform, terraformIn, withoutTerraform } from '../support/terraform.ts';

describe('the example web tier by Terraform', { skip: withoutTerraform(), timeout: 600_000 }, () => {
  let region: TestRegion;
  let clients: Clients;
  let terraform: Terraform;
  let atFirst: string[];

  before(async () => {
    region = await startRegion({ prefix: 'hftw', driver: 'sim', awsRegion: 'eu-west-1' });
    clients = connect(region.endpoint, 'eu-west-1');
    atFirst = await described(clients);
    terraform = await terraformIn('examples/terraform/web-tier', region.env);
  });
  after(async () => {
    for (const client of Object.values(clients ?? {})) client.destroy();
    terraform?.close();
    await region?.down();
  });

  const inService = async (): Promise<string[]> => {
    const { AutoScalingGroups = [] } = await clients.autoscaling.send(
      new DescribeAutoScalingGroupsCommand({}),
    );
    return AutoScalingGroups.flatMap(({ Instances = [] }) => Instances)
      .filter((one) => one.LifecycleState === 'InService' && one.HealthStatus === 'Healthy')
      .map((one) => one.InstanceId!);
  };

  test('is valid and formatted', () => terraform.check());

  test('is applied, and waits until the load balancer finds both instances healthy', async () => {
    await terraform.apply();
    assert.equal((await inService()).length, 2);
    assert.match((await terraform.outputs()).url, /^http:\/\/web-tier-\d+\.eu-west-1\.elb\./);
    assert.deepEqual(await terraform.changes(), []);
  });

  test('is found as described after an instance was replaced', async () => {
    const [lost = ''] = await inService();
    await clients.ec2.send(new TerminateInstancesCommand({ InstanceIds: [lost] }));
    await until('a replacement is in service', 60_000, async () => {
      const now = await inService();
      return now.length === 2 && !now.includes(lost) ? now : undefined;
    });
    assert.deepEqual(await terraform.changes(), []);
  });

  test('gets another version of its template in place', async () => {
    const old = await inService();
    const changed = { page: 'changed' };
    assert.deepEqual(await terraform.changes(changed), [
      'update aws_autoscaling_group.web',
      'update aws_launch_template.web',
    ]);
    await terraform.apply(changed);
    assert.deepEqual(await inService(), old, 'instances stay until somebody replaces them');
    assert.deepEqual(await terraform.changes(changed), []);
  });

  test('is destroyed, and nothing is left', async () => {
    await terraform.destroy();
    // What an instance had is let go of a moment after its end.
    await becomes(() => described(clients), atFirst);
  });
});
