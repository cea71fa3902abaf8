/** `holdfast fault` and the private route behind it, on a region of simulated drivers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Finished, startRegion, type TestRegion } from '../support/region.ts';

let region: TestRegion;

const fault = (...args: string[]): Promise<Finished> => region.holdfast('fault', ...args);

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(`${region.endpoint}/_holdfast/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  // biome-ignore lint/suspicious/noExplicitAny: a story reads answers of all routes.
  return { status: answer.status, body: (await answer.json()) as any };
}

const zone = { region: 'us-west-2', target: 'zone', id: 'us-west-2b' };

describe('holdfast fault', { timeout: 120_000 }, () => {
  before(async () => {
    region = await startRegion({ prefix: 'hfc', driver: 'sim' });
  });
  after(async () => {
    await region?.down();
  });

  test('explains itself, and says which mistake was made', async () => {
    const help = await fault('--help');
    assert.equal(help.code, 0);
    assert.match(help.stdout, /nat-gateway <id>/);
    assert.match(help.stdout, /instance: dead, hung, cut/);
    for (const [args, words] of [
      [[], /fault host\|instance\|zone\|nat-gateway <id>/],
      [['planet', 'earth'], /fault host\|instance/],
      [['zone'], /one id/],
      [['zone', 'us-west-2a', '--kind', 'hung'], /--kind hung: for zone it is cut/],
      [['clear'], /clear <fault id>, or --all/],
      [['clear', 'fault-1', '--all'], /clear <fault id>, or --all/],
    ] as const) {
      const refused = await fault(...args);
      assert.equal(refused.code, 2, args.join(' '));
      assert.match(refused.stderr, words);
    }
    for (const [args, words] of [
      [['zone', 'us-west-2z'], /There is no zone 'us-west-2z' in us-west-2; its zones are us-west-2a/],
      [['host', 'us-west-2a-h7'], /There is no host/],
      [['nat-gateway', 'nat-0123456789abcdef0'], /was not found/],
      [['clear', 'fault-1'], /There is no fault 'fault-1'/],
    ] as const) {
      const refused = await fault(...args);
      assert.equal(refused.code, 1, args.join(' '));
      assert.match(refused.stderr, words);
    }
  });

  test('breaks, lists and clears, in the region that the name says', async () => {
    assert.equal((await fault('list')).stdout, 'Nothing is broken on purpose.\n');
    const cut = await fault('zone', 'eu-west-1b');
    assert.equal(cut.code, 0, cut.stderr);
    const [, id = ''] = /^(fault-[0-9a-f]{17}): zone eu-west-1b is cut off\n/.exec(cut.stdout) ?? [];
    assert.notEqual(id, '', cut.stdout);
    const host = await fault('host', 'us-west-2a-h1', '--json');
    assert.equal(JSON.parse(host.stdout).region, 'us-west-2');
    const listed = JSON.parse((await fault('list', '--json')).stdout);
    assert.deepEqual(
      listed.map((one: { target: string; targetId: string; kind: string }) => [
        one.target,
        one.targetId,
        one.kind,
      ]),
      [
        ['zone', 'eu-west-1b', 'cut'],
        ['host', 'us-west-2a-h1', 'dead'],
      ],
    );
    const cleared = await fault('clear', id);
    assert.equal(cleared.stdout, `${id}: zone eu-west-1b is well again\n`, cleared.stderr);
    assert.match((await fault('list')).stdout, /host us-west-2a-h1 +dead {2}since \d{4}-/);
    assert.match((await fault('clear', '--all')).stdout, /host us-west-2a-h1 is well again/);
    assert.equal((await fault('clear', '--all')).stdout, 'Nothing was broken on purpose.\n');
  });

  test('finds an instance by its name or id in whatever region it is', async () => {
    const there = ['--region', 'eu-west-1'];
    const { Images } = await region.aws('ec2', 'describe-images', '--owners', 'amazon', ...there);
    const tags = 'ResourceType=instance,Tags=[{Key=Name,Value=far}]';
    const launched = await region.aws(
      ...['ec2', 'run-instances', '--image-id', Images[0].ImageId, '--instance-type', 't3.nano'],
      ...['--tag-specifications', tags, ...there],
    );
    const id: string = launched.Instances[0].InstanceId;
    await region.aws('ec2', 'wait', 'instance-running', '--instance-ids', id, ...there);
    const cut = await fault('instance', 'far', '--kind', 'cut');
    assert.match(
      cut.stdout,
      new RegExp(`instance ${id} is cut off\\nUndo it: .* --region eu-west-1\\n`),
      cut.stderr,
    );
    const hung = await fault('instance', id, '--kind', 'hung', '--json');
    assert.equal(JSON.parse(hung.stdout).region, 'eu-west-1', hung.stderr);
    await fault('clear', '--all');
  });

  test('a host fails under an instance, and holdfast recover brings it back on another', async () => {
    const recover = (...args: string[]): Promise<Finished> => region.holdfast('recover', ...args);
    const { Images } = await region.aws('ec2', 'describe-images', '--owners', 'amazon');
    const tags = 'ResourceType=instance,Tags=[{Key=Name,Value=one}]';
    const launched = await region.aws(
      ...['ec2', 'run-instances', '--image-id', Images[0].ImageId, '--instance-type', 't3.nano'],
      ...['--placement', 'AvailabilityZone=us-west-2c', '--tag-specifications', tags],
    );
    const id: string = launched.Instances[0].InstanceId;
    await region.aws('ec2', 'wait', 'instance-running', '--instance-ids', id);
    const host = async (): Promise<string> => {
      const { instances } = JSON.parse((await region.holdfast('status', '--json')).stdout);
      return instances.find((one: { id: string }) => one.id === id).host;
    };
    const own = await host();
    const needless = await recover('one');
    assert.equal(needless.stdout, `${id}: its host is well, there is nothing to recover it from\n`);
    await fault('host', own);
    const recovered = await recover('one');
    assert.equal(recovered.code, 0, recovered.stderr);
    assert.notEqual(await host(), own);
    assert.equal(recovered.stdout, `${id} comes back on ${await host()}\n`);

    await fault('host', await host());
    const waiting = await recover(id, '--json');
    assert.equal(JSON.parse(waiting.stdout).outcome, 'waiting');
    assert.equal(JSON.parse(waiting.stdout).code, 'InsufficientInstanceCapacity');
    assert.match((await recover(id)).stdout, /as soon as a host of its zone is well\nInsufficient/);

    await region.aws('ec2', 'terminate-instances', '--instance-ids', id);
    const over = await recover(id);
    assert.equal(over.code, 1);
    assert.match(over.stderr, /only a running instance can be recovered|does not exist/);
    assert.equal((await recover()).code, 2);
    assert.equal((await fault('clear', '--all')).code, 0);
  });

  test('is no business of a page in a browser', async () => {
    const page = { origin: 'http://example.com', 'sec-fetch-site': 'cross-site' };
    assert.equal((await post('faults', zone, page)).status, 403);
    assert.equal((await post('faults/clear', { region: 'us-west-2', all: true }, page)).status, 403);
    assert.equal((await post('recover', { region: 'us-west-2', instance: 'i-1' }, page)).status, 403);
    // What a form can send without asking is refused whoever sends it.
    const form = await post('faults', JSON.stringify(zone), { 'content-type': 'text/plain' });
    assert.equal(form.status, 400);
    assert.equal((await fault('list')).stdout, 'Nothing is broken on purpose.\n');
  });

  test('refuses bodies that make no sense, in words', async () => {
    for (const [body, words] of [
      ['{', /is not JSON/],
      ['[]', /no object/],
      [{ ...zone, region: 'us-moon-1' }, /there is no region 'us-moon-1'/],
      [{ ...zone, target: 'planet' }, /target is one of host, instance, zone, nat-gateway/],
      [{ ...zone, target: 'toString' }, /target is one of/],
      [{ ...zone, id: 7 }, /id is missing/],
      [{ ...zone, kind: 'odd' }, /is cut, not odd/],
      [`{"region":"${'x'.repeat(20_000)}"}`, /larger than/],
    ] as const) {
      const refused = await post('faults', body);
      assert.equal(refused.status, 400, JSON.stringify(body).slice(0, 80));
      assert.match(refused.body.message, words);
    }
    const recovered = await post('recover', { region: 'us-west-2', instance: 'i-0123456789abcdef0' });
    assert.equal(recovered.body.code, 'InvalidInstanceID.NotFound');
  });

  test('survives the end of the control process', async () => {
    const made = await post('faults', zone);
    assert.equal(made.status, 200, made.body.message);
    const { control } = JSON.parse((await region.holdfast('status', '--json')).stdout);
    process.kill(control.pid, 'SIGKILL');
    const up = await region.holdfast('up', '--detach', '--port', '0', '--driver', 'sim');
    assert.equal(up.code, 0, up.stderr);
    const listed = JSON.parse((await fault('list', '--json')).stdout);
    assert.deepEqual(listed, [made.body.fault]);
    assert.equal((await fault('clear', '--all')).code, 0);
  });
});
