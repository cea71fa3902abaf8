/**
 * The example network as its reader would use it, by stock Terraform on real instances: applied, found as described,
 * changed in place and by replacement, destroyed. What was applied is tried with real requests.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DescribeInstancesCommand } from '@aws-sdk/client-ec2';
import { hostLayout } from '@holdfast/linux/layout.ts';
import { type Clients, connect } from '../../packages/holdfast/src/demo/stack.ts';
import { described } from '../support/described.ts';
import { becomes, inside, until } from '../support/instances.ts';
import { withoutCommand, withoutInstances } from '../support/needs.ts';
import { run, startRegion, stateDirectoryOf, type TestRegion } from '../support/region.ts';
import { type Terraform, terraformIn, withoutTerraform } from '../support/terraform.ts';
import { existing } from '../support/world.ts';

const prefix = 'hftf';
const publicCidr = '198.19.248.0/21';
const layout = hostLayout({ prefix, publicCidr, stateDirectory: stateDirectoryOf(prefix) });
const skip =
  withoutTerraform() || withoutCommand('curl', 'apt-get install curl') || (await withoutInstances());

const publicKey =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEj5B9MU2GWP+O9EORHTdmIucVHa4vLKY7kSVZcA2SxV somebody@example';
const changed = {
  environment: 'staging',
  visitors: '198.18.0.0/15',
  app_instance_type: 't3.small',
  data_size: '2',
  page: 'changed',
};

interface Outputs {
  readonly where: string;
  readonly pages: Readonly<Record<string, string>>;
  readonly copy: string;
  readonly nat_addresses: Readonly<Record<string, string>>;
  readonly web: Readonly<Record<string, string>>;
  readonly app: Readonly<Record<string, { id: string; private_ip: string }>>;
}

describe('the example network by Terraform', { skip, timeout: 600_000 }, () => {
  let region: TestRegion;
  let terraform: Terraform;
  let clients: Clients;
  let atFirst: { api: string[]; machine: string[] };
  let outputs: Outputs;

  const standing = async () => ({ api: await described(clients), machine: await existing(layout) });
  const zones = ['us-west-2a', 'us-west-2b'];

  before(async () => {
    region = await startRegion({ prefix, publicCidr, driver: 'linux' });
    clients = connect(region.endpoint, 'us-west-2');
    atFirst = await standing();
    terraform = await terraformIn('examples/terraform/network', {
      ...region.env,
      TF_VAR_public_key: publicKey,
    });
  });
  after(async () => {
    for (const client of Object.values(clients ?? {})) client.destroy();
    terraform?.close();
    await region?.down();
  });

  const page = (url: string): Promise<string> =>
    until(`${url} answers`, 60_000, async () => {
      const { code, stdout } = await run('curl', ['--silent', '--fail', '--max-time', '3', url]);
      return code === 0 ? stdout.trim() : undefined;
    });
  const done = async (id: string, script: string): Promise<string> => {
    const { code, stdout, stderr } = await inside(region, id, script);
    assert.equal(code, 0, `${script}: ${stdout}${stderr}`);
    return stdout;
  };
  const typesAndTags = async (ids: string[]): Promise<string[]> => {
    const { Reservations = [] } = await clients.ec2.send(new DescribeInstancesCommand({ InstanceIds: ids }));
    return Reservations.flatMap(({ Instances = [] }) => Instances).map(
      ({ InstanceType, Tags = [] }) =>
        `${InstanceType} ${Tags.find(({ Key }) => Key === 'Environment')?.Value}`,
    );
  };

  test('is valid and formatted', () => terraform.check());

  test('is applied, and serves its pages', async (context) => {
    const begunAt = performance.now();
    await terraform.apply();
    context.diagnostic(`apply took ${((performance.now() - begunAt) / 1000).toFixed(1)} s`);
    outputs = await terraform.outputs();
    assert.equal(outputs.where, '000000000000 us-west-2');
    assert.deepEqual(Object.keys(outputs.pages), zones);
    for (const zone of zones)
      assert.equal(await page(outputs.pages[zone]!), `hello: example-web-${zone} in ${zone}`);
  });

  test('serves the page of a web server from the image of it', async () => {
    assert.equal(await page(outputs.copy), 'hello: example-web-us-west-2a in us-west-2a');
  });

  test('gives application servers a volume each, which holds a file system', async () => {
    for (const { id } of Object.values(outputs.app))
      await done(
        id,
        `set -e
        mkfs.ext4 -q /dev/sdf
        mkdir /data
        echo '/dev/sdf /data ext4 defaults,nofail 0 2' >>/etc/fstab
        mount -a
        echo ${id} >/data/name
        sync`,
      );
  });

  test('lets web servers ask application servers, and these the internet through their zone’s NAT gateway', async () => {
    for (const zone of zones) {
      const { id, private_ip: address } = outputs.app[zone]!;
      const asked = await inside(region, outputs.web[zone]!, `curl -sS --max-time 20 http://${address}:8080`);
      assert.equal(asked.stdout.trim(), `application: example-app-${zone} in ${zone}`, asked.stderr);
      const out = await inside(region, id, `curl -sS --max-time 20 ${outputs.pages[zone]}/?from=${id}`);
      assert.equal(out.stdout.trim(), `hello: example-web-${zone} in ${zone}`, out.stderr);
      const logged = await until('the request stands in the journal', 30_000, async () => {
        const script = `journalctl -u web --grep 'from=${id}' -o cat`;
        return (await inside(region, outputs.web[zone]!, script)).stdout || undefined;
      });
      assert.match(logged, new RegExp(`^${outputs.nat_addresses[zone]!.replaceAll('.', '\\.')} `));
    }
  });

  test('is found as described', async () => {
    assert.deepEqual(await terraform.changes(), []);
  });

  test('is changed: tags, a rule, types and sizes in place, the web servers and the image of one by replacement', async () => {
    const old = outputs;
    await terraform.apply(changed);
    outputs = await terraform.outputs();
    assert.deepEqual(outputs.app, old.app, 'the application servers are the same');
    assert.deepEqual(await typesAndTags(Object.values(outputs.app).map(({ id }) => id)), [
      't3.small staging',
      't3.small staging',
    ]);
    for (const zone of zones) {
      assert.notEqual(outputs.web[zone], old.web[zone]);
      const asked = await inside(
        region,
        outputs.web[zone]!,
        `curl -sS --max-time 20 --retry 5 --retry-connrefused http://${outputs.app[zone]!.private_ip}:8080`,
      );
      assert.equal(asked.stdout.trim(), `application: example-app-${zone} in ${zone}`, asked.stderr);
    }
    assert.deepEqual(await terraform.changes(changed), []);
  });

  test('keeps what is on the volumes while their servers stop, change and start, and lets the file systems grow', async () => {
    for (const { id } of Object.values(outputs.app)) {
      assert.equal((await done(id, 'cat /data/name')).trim(), id);
      assert.equal((await done(id, 'lsblk --noheadings --nodeps --output SIZE /dev/xvdf')).trim(), '2G');
      // A machine that has no CAP_SYS_RESOURCE itself can grow an ext4 only while it is not mounted.
      await done(
        id,
        'resize2fs /dev/sdf || (umount /data && e2fsck -fp /dev/sdf && resize2fs /dev/sdf && mount /data)',
      );
      const size = Number((await done(id, 'df --output=size --block-size=1M /data')).split('\n')[1]);
      assert(size > 1900, `${size} MiB`);
    }
  });

  test('is destroyed, and nothing is left', async () => {
    await terraform.destroy(changed);
    // The kernel takes a loop device and a mount away a moment after their last user has ended.
    await becomes(standing, atFirst);
  });
});
