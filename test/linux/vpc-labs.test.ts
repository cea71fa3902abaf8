/** The labs about networks as a person types them, in one region. What is seen is held by each script. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { withoutAws, withoutCommand, withoutInstances } from '../support/needs.ts';
import { run, startRegion, type TestRegion } from '../support/region.ts';

const skip =
  (await withoutInstances()) ||
  withoutAws() ||
  withoutCommand('curl', 'apt-get install curl') ||
  withoutCommand('ssh', 'apt-get install openssh-client', '-V');

const timeoutMs = 300_000;

describe('labs about networks', { skip, timeout: 3 * timeoutMs }, () => {
  let region: TestRegion;
  before(async () => {
    region = await startRegion({
      prefix: 'hfvl',
      publicCidr: '198.19.200.0/21',
      awsRegion: 'us-west-2',
      driver: 'linux',
    });
  });
  after(() => region?.down());

  /** Ids of what a lab has made; empty when it has cleaned up. The region has one VPC from the beginning. */
  const left = async (): Promise<string[]> => [
    ...(await region.aws('ec2', 'describe-vpcs', '--query', 'Vpcs[?!IsDefault].VpcId')),
    ...(await region.aws('ec2', 'describe-addresses', '--query', 'Addresses[].AllocationId')),
    ...(await region.aws(
      'ec2',
      'describe-network-interfaces',
      '--query',
      'NetworkInterfaces[].NetworkInterfaceId',
    )),
    ...(await region.aws(
      'ec2',
      'describe-security-groups',
      '--query',
      "SecurityGroups[?GroupName!='default'].GroupId",
    )),
    ...(await region.aws('elbv2', 'describe-target-groups', '--query', 'TargetGroups[].TargetGroupArn')),
  ];

  const labs = {
    'B1: private subnets behind a NAT gateway': 'b1-private-subnets.sh',
    'C1: layers, each enforced': 'c1-layers.sh',
    'C9: a NAT gateway in each zone, and a zone lost': 'c9-second-nat-gateway.sh',
  };
  for (const [title, script] of Object.entries(labs)) {
    test(title, async (context) => {
      const { code, stdout, stderr } = await run(`examples/labs/${script}`, [], {
        env: region.env,
        timeoutMs,
      });
      assert.equal(code, 0, `${script} ended with code ${code}\n${stdout}\n${stderr}`);
      context.diagnostic(`${stdout.match(/ {3}seen: /g)?.length ?? 0} observations`);
      assert.deepEqual(await left(), [], 'the lab removes what it made');
    });
  }
});
