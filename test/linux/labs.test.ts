/** The labs as a person types them: each script in a region of its own, side by side. What is seen is held by the script. */
import { describe, type TestContext, test } from 'node:test';
import { playLab, withoutLabs } from '../support/labs.ts';
import { startRegion, type TestRegion } from '../support/region.ts';

const skip = await withoutLabs();

/** Most of this is for slow package mirrors. */
const timeoutMs = 900_000;

interface Lab {
  readonly script: string;
  readonly prefix: string;
  readonly publicCidr: string;
  readonly awsRegion: string;
}

/** What a lab has made, by the API; empty when it has cleaned up. */
async function left(region: TestRegion): Promise<string[]> {
  const listed = async (...args: string[]): Promise<string[]> => (await region.aws(...args)) ?? [];
  const query = (...args: string[]) => listed(...args.slice(0, -1), '--query', args.at(-1)!);
  const found: Record<string, string[]> = {
    instances: await query(
      'ec2',
      'describe-instances',
      "Reservations[].Instances[?State.Name!='terminated'][].InstanceId",
    ),
    groups: await query(
      'autoscaling',
      'describe-auto-scaling-groups',
      'AutoScalingGroups[].AutoScalingGroupName',
    ),
    balancers: await query('elbv2', 'describe-load-balancers', 'LoadBalancers[].LoadBalancerName'),
    targetGroups: await query('elbv2', 'describe-target-groups', 'TargetGroups[].TargetGroupName'),
    templates: await query('ec2', 'describe-launch-templates', 'LaunchTemplates[].LaunchTemplateName'),
    images: await query('ec2', 'describe-images', '--owners', 'self', 'Images[].Name'),
    snapshots: await query('ec2', 'describe-snapshots', '--owner-ids', 'self', 'Snapshots[].SnapshotId'),
    keyPairs: await query('ec2', 'describe-key-pairs', 'KeyPairs[].KeyName'),
    securityGroups: await query(
      'ec2',
      'describe-security-groups',
      "SecurityGroups[?GroupName!='default'].GroupName",
    ),
    interfaces: await query('ec2', 'describe-network-interfaces', 'NetworkInterfaces[].NetworkInterfaceId'),
  };
  return Object.entries(found).flatMap(([kind, names]) => names.map((name) => `${kind}: ${name}`));
}

async function play(context: TestContext, lab: Lab): Promise<void> {
  const region = await startRegion({ ...lab, driver: 'linux' });
  try {
    await playLab(context, region, lab.script, { timeoutMs, left: () => left(region) });
  } finally {
    await region.down();
  }
}

describe('labs', { skip, concurrency: true, timeout: timeoutMs + 60_000 }, () => {
  test('A1, A3 to A7: high availability, step by step', (context) =>
    play(context, {
      script: 'a-high-availability.sh',
      prefix: 'hfla',
      publicCidr: '198.19.96.0/20',
      awsRegion: 'ap-northeast-2',
    }));

  test('D1, D2, D4 to D7: several servers, a failing one, blue/green', (context) =>
    play(context, {
      script: 'd-several-servers.sh',
      prefix: 'hfld',
      publicCidr: '198.19.112.0/20',
      awsRegion: 'us-east-1',
    }));
});
