/** Runs a lab of examples/labs as a person would. What must be seen is held by the script itself. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { becomes } from './instances.ts';
import { withoutAws, withoutCommand, withoutInstances } from './needs.ts';
import { run, type TestRegion } from './region.ts';

export const withoutLabs = async (): Promise<string | false> =>
  (await withoutInstances()) ||
  withoutAws() ||
  withoutCommand('curl', 'apt-get install curl') ||
  withoutCommand('ssh', 'apt-get install openssh-client', '-V');

/** Fails when the script does, with its words, and when it leaves something behind: `left` names what is there. */
export async function playLab(
  context: TestContext,
  region: TestRegion,
  script: string,
  { timeoutMs, left }: { timeoutMs: number; left: () => Promise<string[]> },
): Promise<void> {
  const { code, stdout, stderr } = await run(`examples/labs/${script}`, [], { env: region.env, timeoutMs });
  assert.equal(code, 0, `${script} ended with code ${code}\n${stdout}\n${stderr}`);
  context.diagnostic(`${stdout.match(/ {3}seen: /g)?.length ?? 0} observations`);
  for (const [, figures = ''] of stdout.matchAll(/^ {3}(RTO .*)$/gm)) context.diagnostic(figures);
  // What an instance had is let go of a moment after its end.
  await becomes(left, [], 'the lab removes what it made');
}

/** Ids of what a lab about networks or servers has made; empty when it has cleaned up. A region has one VPC from the beginning. */
export const leftInNetworks = async (region: TestRegion): Promise<string[]> => [
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
  ...(await region.aws('ec2', 'describe-key-pairs', '--query', 'KeyPairs[].KeyName')),
  ...(await region.aws('ec2', 'describe-volumes', '--query', 'Volumes[].VolumeId')),
  ...(await region.aws(
    'ec2',
    'describe-snapshots',
    '--owner-ids',
    'self',
    '--query',
    'Snapshots[].SnapshotId',
  )),
];
