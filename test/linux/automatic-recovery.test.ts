/**
 * A logical host fails and nobody does anything: its instance comes back by itself on another host of its zone, as what
 * it was and apart from the others of its placement group. The region's clock runs twenty times as fast: the minute until
 * the system status check fails, and the five until recovery begins, pass in eighteen seconds, in which the page is missed.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { describeInstances, type Instance, inside, launch, until } from '../support/instances.ts';
import { withoutAws, withoutInstances } from '../support/needs.ts';
import { startRegion, type TestRegion } from '../support/region.ts';

const SPEED = 20;
const ZONE = 'us-west-2a';
const skip = withoutAws() || (await withoutInstances());

let region: TestRegion;

async function hostOf(id: string): Promise<string> {
  const { instances } = JSON.parse((await region.holdfast('status', '--json')).stdout);
  return instances.find((one: { id: string }) => one.id === id).host;
}

/** Gives the instance an Elastic IP, and answers with it. */
async function withElasticIp({ id }: Instance): Promise<string> {
  const { AllocationId, PublicIp } = await region.aws('ec2', 'allocate-address');
  await region.aws('ec2', 'associate-address', '--instance-id', id, '--allocation-id', AllocationId);
  return PublicIp;
}

const page = async (address: string): Promise<string | undefined> => {
  try {
    const answer = await fetch(`http://${address}/name`, { signal: AbortSignal.timeout(1_000) });
    return (await answer.text()).trim();
  } catch {
    return undefined;
  }
};

const USER_DATA = `#!/bin/sh
mkdir -p /srv/www && cd /srv/www && hostname > name
cat > /etc/systemd/system/page.service <<'UNIT'
[Service]
WorkingDirectory=/srv/www
ExecStart=/usr/bin/python3 -m http.server 80
[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --now page
`;

describe('an instance whose host failed', { skip, timeout: 300_000 }, () => {
  before(async () => {
    region = await startRegion({
      prefix: 'hrc',
      publicCidr: '198.19.232.0/22',
      driver: 'linux',
      upArguments: ['--speed', String(SPEED), '--hosts-per-zone', '3'],
    });
  });
  after(async () => {
    await region?.down();
  });

  test('comes back by itself, with its id, addresses and disk, apart from its placement group', async (t) => {
    await region.aws('ec2', 'create-placement-group', '--group-name', 'apart', '--strategy', 'spread');
    const { SecurityGroups } = await region.aws('ec2', 'describe-security-groups');
    await region.aws(
      'ec2',
      ...['authorize-security-group-ingress', '--group-id', SecurityGroups[0].GroupId],
      ...['--protocol', 'tcp', '--port', '80', '--cidr', '0.0.0.0/0'],
    );
    const [one, other] = await launch(
      region,
      ...['--instance-type', 't3.nano', '--count', '2', '--user-data', USER_DATA],
      ...['--placement', `GroupName=apart,AvailabilityZone=${ZONE}`],
    );
    assert(one && other);
    const failed = await hostOf(one.id);
    assert.notEqual(failed, await hostOf(other.id));
    const address = await withElasticIp(one);
    const name = await until('its page comes', 60_000, () => page(address));
    await inside(region, one.id, 'echo kept > /root/disk; echo lost > /dev/shm/memory; sync');
    const [was] = await describeInstances(region, one.id);

    const failedAt = performance.now();
    assert.equal((await region.holdfast('fault', 'host', failed)).code, 0);
    await until('its page is gone', 15_000, async () =>
      (await page(address)) === undefined ? true : undefined,
    );
    assert.equal(await until('its page comes again', 120_000, () => page(address)), name);
    const regionMinutes = ((performance.now() - failedAt) * SPEED) / 60_000;
    t.diagnostic(`back after ${regionMinutes.toFixed(1)} minutes of the region's time`);
    assert(regionMinutes > 5, 'an alarm with a recover action would have been faster');

    const [is] = await describeInstances(region, one.id);
    assert.equal(is?.PrivateIpAddress, was?.PrivateIpAddress);
    assert.equal(is?.PublicIpAddress, address);
    const hosts = [failed, await hostOf(one.id), await hostOf(other.id)];
    assert.deepEqual(
      hosts.toSorted(),
      [1, 2, 3].map((number) => `${ZONE}-h${number}`),
    );
    const left = await inside(region, one.id, 'cat /root/disk; test -e /dev/shm/memory || echo gone');
    assert.equal(left.stdout, 'kept\ngone\n');
  });
});
