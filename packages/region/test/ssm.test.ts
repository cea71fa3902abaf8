/** The public parameters of images, as the stock SDK reads them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  GetParameterCommand,
  GetParametersByPathCommand,
  GetParametersCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { mapImage } from '../src/services/ec2/image/mapping.ts';
import { REGION } from './ec2-world.ts';
import { servedWorld } from './served-world.ts';

const DEBIAN = '/aws/service/debian/release/12/latest/amd64';
const UBUNTU = '/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id';
const AL2023 = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64';
const AMZN2 = '/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2';

describe('Systems Manager', () => {
  test('the public parameters of Debian, Ubuntu and Amazon Linux lead to the image of this machine', async () => {
    await using world = await servedWorld();
    const client = new SSMClient(world.settings);
    for (const Name of [DEBIAN, UBUNTU, AL2023, AMZN2]) {
      const { Parameter } = await client.send(new GetParameterCommand({ Name }));
      assert.deepEqual(Parameter, {
        Name,
        Type: 'String',
        Value: await world.imageId(),
        Version: 1,
        LastModifiedDate: new Date(Date.UTC(2026, 0, 1)),
        ARN: `arn:aws:ssm:us-west-2::parameter${Name}`,
        DataType: 'aws:ec2:image',
      });
    }
    assert.deepEqual(world.errors, []);
  });

  test('is the very first call that a region gets, and each region has ids of its own', async () => {
    await using world = await servedWorld();
    const value = async (region: string) =>
      (await new SSMClient({ ...world.settings, region }).send(new GetParameterCommand({ Name: DEBIAN })))
        .Parameter?.Value;
    assert.match((await value('eu-west-1')) ?? '', /^ami-[0-9a-f]{17}$/);
    assert.notEqual(await value('eu-west-1'), await value('us-west-2'));
  });

  test('by name, by version and by ARN; what there is not is told in AWS’s way', async () => {
    await using world = await servedWorld();
    const client = new SSMClient(world.settings);
    const get = (Name: string) => client.send(new GetParameterCommand({ Name }));
    const { Parameter } = await get(`arn:aws:ssm:us-west-2::parameter${DEBIAN}:1`);
    assert.deepEqual([Parameter?.Name, Parameter?.Selector], [DEBIAN, ':1']);
    const refused: [string, string][] = [
      ['/aws/service/debian/release/12/latest/arm64', 'ParameterNotFound'],
      ['/aws/service/debian/release/12/latest', 'ParameterNotFound'],
      ['/my/parameter', 'ParameterNotFound'],
      [`arn:aws:ssm:eu-west-1::parameter${DEBIAN}`, 'ParameterNotFound'],
      [`${DEBIAN}:2`, 'ParameterVersionNotFound'],
      [`${DEBIAN}:stable`, 'ParameterVersionNotFound'],
    ];
    for (const [name, code] of refused) await assert.rejects(get(name), { name: code }, name);
    await assert.rejects(
      client.send(new PutParameterCommand({ Name: '/mine', Value: 'x', Type: 'String' })),
      /Holdfast does not support ssm:PutParameter/,
    );
  });

  test('several at once: those that there are, in the order of the alphabet, and those that there are not', async () => {
    await using world = await servedWorld();
    const client = new SSMClient(world.settings);
    const Names = [DEBIAN, '/nothing', AL2023, `${DEBIAN}:7`];
    const { Parameters, InvalidParameters } = await client.send(new GetParametersCommand({ Names }));
    assert.deepEqual(
      Parameters?.map(({ Name }) => Name),
      [AL2023, DEBIAN],
    );
    assert.deepEqual(InvalidParameters, ['/nothing', `${DEBIAN}:7`]);
  });

  test('by path: a level, or all below it, in pages', async () => {
    await using world = await servedWorld();
    const client = new SSMClient(world.settings);
    const names = async (Path: string, Recursive: boolean): Promise<string[]> => {
      const found: string[] = [];
      let NextToken: string | undefined;
      do {
        const input = { Path, Recursive, NextToken, MaxResults: 4 };
        const page = await client.send(new GetParametersByPathCommand(input));
        assert((page.Parameters?.length ?? 0) <= 4);
        found.push(...(page.Parameters ?? []).map(({ Name = '' }) => Name));
        NextToken = page.NextToken;
      } while (NextToken !== undefined);
      return found;
    };
    const amazon = await names('/aws/service/ami-amazon-linux-latest', false);
    assert(amazon.includes(AL2023) && amazon.includes(AMZN2) && amazon.length === 13, amazon.join());
    assert.deepEqual(await names('/aws/service/debian/release/', false), []);
    assert.deepEqual(await names('/aws/service/debian/release/12', true), [DEBIAN]);
    const all = await names('/', true);
    assert.deepEqual(all, [...new Set(all)].toSorted(), 'each once');
    for (const name of [DEBIAN, UBUNTU, AL2023, AMZN2]) assert(all.includes(name));

    const ask = (input: object) =>
      client.send(new GetParametersByPathCommand({ Path: '/aws/service', Recursive: true, ...input }));
    const typed = { ParameterFilters: [{ Key: 'Type', Values: ['SecureString'] }] };
    assert.deepEqual((await ask(typed)).Parameters, []);
    await assert.rejects(ask({ Path: 'aws' }), { name: 'ValidationException' });
    await assert.rejects(ask({ NextToken: 'made up' }), { name: 'InvalidNextToken' });
    await assert.rejects(ask({ ParameterFilters: [{ Key: 'Tier' }] }), { name: 'InvalidFilterKey' });
    await assert.rejects(ask({ ParameterFilters: [{ Key: 'Type', Option: 'Contains' }] }), {
      name: 'InvalidFilterOption',
    });
  });

  test('a mapped name leads where the mapping says', async () => {
    await using world = await servedWorld();
    const client = new SSMClient(world.settings);
    const { ImageId } = await world.call('CreateImage', {
      InstanceId: await world.launchOne(),
      Name: 'my-ubuntu',
    });
    await world.idle();
    world.region.transact(REGION, (scope) => mapImage(scope, UBUNTU, 'my-ubuntu'));
    world.region.transact(REGION, (scope) => mapImage(scope, '/aws/service/other/latest', 'my-ubuntu'));
    for (const Name of [UBUNTU, '/aws/service/other/latest']) {
      assert.equal((await client.send(new GetParameterCommand({ Name }))).Parameter?.Value, ImageId);
    }
    const { Parameter } = await client.send(new GetParameterCommand({ Name: DEBIAN }));
    assert.equal(Parameter?.Value, await world.imageId());
  });
});
