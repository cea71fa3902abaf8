/** `holdfast ami` and the private routes behind it, with the stock command line beside it, on simulated drivers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { withoutAws } from '../support/needs.ts';
import { type Finished, startRegion, type TestRegion } from '../support/region.ts';

let region: TestRegion;

const ami = (...args: string[]): Promise<Finished> => region.holdfast('ami', ...args);
const post = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${region.endpoint}/_holdfast/images/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ id: 'ami-1ecae776', image: 'debian-12', region: 'us-west-2' }),
  });

describe('holdfast ami', { timeout: 120_000 }, () => {
  before(async () => {
    region = await startRegion({
      prefix: 'hfm',
      driver: 'sim',
      upArguments: ['--unknown-ami', 'debian-12-amd64-simulated'],
    });
  });
  after(async () => {
    await region?.down();
  });

  test('says which mistake was made', async () => {
    assert.match((await ami('--help')).stdout, /map <id> <image>/);
    for (const args of [
      [],
      ['bake'],
      ['list', 'debian-12'],
      ['map', 'ami-1ecae776'],
      ['unmap'],
      ['import', 'a.tar'],
    ]) {
      assert.equal((await ami(...args)).code, 2, args.join(' '));
    }
    const refused = await ami('map', 'ami-1ecae776', 'windows');
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /there is no image 'windows' in us-west-2; there are: debian-12-amd64-simulated/,
    );
    assert.match((await ami('unmap', 'ami-1ecae776')).stderr, /'ami-1ecae776' is not mapped/);
    const imported = await ami('import', 'a.tar', '--name', 'ours');
    assert.equal(imported.code, 1);
    assert.match(imported.stderr, /the instances of this region are simulated/);
  });

  test('maps, lists and unmaps', async () => {
    const mapped = await ami('map', 'ami-1ecae776', 'debian-12');
    assert.equal(mapped.stdout, 'ami-1ecae776 is mapped to debian-12\n');
    const { images, mappings, unknownAmi } = JSON.parse((await ami('list', '--json')).stdout);
    assert.match(images[0].id, /^ami-/);
    assert.deepEqual(mappings, [{ id: 'ami-1ecae776', image: 'debian-12' }]);
    assert.equal(unknownAmi, 'debian-12-amd64-simulated');
    const { stdout } = await ami('list');
    assert.match(
      stdout,
      /public {2}available {2}debian-12-amd64-simulated\nami-1ecae776 is mapped to debian-12\n/,
    );
    assert.match(stdout, /any other unknown id stands for debian-12-amd64-simulated\n$/);
    assert.equal((await ami('unmap', 'ami-1ecae776')).code, 0);
    assert.doesNotMatch((await ami('list')).stdout, /ami-1ecae776/);
  });

  test('takes nothing from a page of another site', async () => {
    assert.equal((await post('map', { origin: 'https://evil.example' })).status, 403);
    assert.equal((await post('map', { 'content-type': 'text/plain' })).status, 400);
    assert.doesNotMatch((await ami('list')).stdout, /ami-1ecae776/);
  });

  test('the stock command line resolves parameters and launches unknown ids', {
    skip: withoutAws(),
  }, async () => {
    const names = ['debian/release/12/latest/amd64', 'ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2'];
    const { Parameters, InvalidParameters } = await region.aws(
      'ssm',
      'get-parameters',
      '--names',
      ...names.map((name) => `/aws/service/${name}`),
      '/mine',
    );
    const [{ id }] = JSON.parse((await ami('list', '--json')).stdout).images;
    assert.deepEqual(new Set(Parameters.map((one: { Value: string }) => one.Value)), new Set([id]));
    assert.deepEqual(InvalidParameters, ['/mine']);
    const missing = await region.awsFails('ssm', 'get-parameter', '--name', '/mine');
    assert.match(missing.stderr, /\(ParameterNotFound\) when calling the GetParameter operation/);
    const launched = await region.aws(
      ...['ec2', 'run-instances', '--image-id', 'ami-1ecae776', '--instance-type', 't3.micro'],
    );
    assert.equal(launched.Instances[0].ImageId, 'ami-1ecae776');
    assert.deepEqual(launched.Instances[0].Tags, [
      { Key: 'aws:holdfast:image', Value: 'ami-1ecae776 is mapped to debian-12-amd64-simulated' },
    ]);
  });

  test('the stock command line finds public images by name, and a pattern of names is mapped', {
    skip: withoutAws(),
  }, async () => {
    const pattern = 'amzn2-ami-hvm-*-x86_64-gp2';
    const find = (): Promise<{ Name: string; Tags: { Value: string }[] }> =>
      region.aws(
        ...['ec2', 'describe-images', '--owners', 'amazon', '--filters', `Name=name,Values=${pattern}`],
        ...['--query', 'sort_by(Images,&CreationDate)[-1]'],
      );
    assert.match((await find()).Name, /^amzn2-ami-hvm-2\.0\.\d{8}\.0-x86_64-gp2$/);
    const mapped = await ami('map', pattern, 'debian-12');
    assert.equal(mapped.stdout, `${pattern} is mapped to debian-12\n`);
    assert.match((await find()).Tags[0]?.Value ?? '', / is mapped to debian-12-amd64-simulated$/);
    assert.match((await ami('map', 'windows-*', 'debian-12')).stderr, /nor a pattern of the names of public/);
    assert.equal((await ami('unmap', pattern)).code, 0);
  });
});
