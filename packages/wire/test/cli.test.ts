import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { WireError } from '../src/index.ts';
import { startToyRegion, type ToyRegion } from './toy-region.ts';

const run = promisify(execFile);
const folders = (process.env.PATH ?? '').split(delimiter);
const skip = folders.some((folder) => existsSync(join(folder, 'aws')))
  ? false
  : 'the aws command line is not installed';

async function aws(region: ToyRegion, ...words: string[]): Promise<unknown> {
  const env = {
    PATH: process.env.PATH,
    HOME: '/nonexistent',
    AWS_ENDPOINT_URL: region.endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_DEFAULT_REGION: 'eu-west-1',
    AWS_PAGER: '',
  };
  const { stdout } = await run('aws', [...words, '--output', 'json'], { env });
  return stdout === '' ? undefined : JSON.parse(stdout);
}

test('the stock command line speaks JSON to the services that do', { skip }, async () => {
  const modified = new Date('2026-03-01T12:00:00Z');
  await using region = await startToyRegion({
    'ssm:GetParameter': () => ({ Parameter: { Name: '/a', Value: 'ü€', LastModifiedDate: modified } }),
    'ssm:GetParameters': () => {
      throw new WireError('ParameterNotFound', '');
    },
  });
  const { Parameter } = (await aws(region, 'ssm', 'get-parameter', '--name', '/a')) as {
    Parameter: { Value: string; LastModifiedDate: number | string };
  };
  assert.equal(Parameter.Value, 'ü€');
  // Version 1 of the command line shows the seconds as they came, version 2 a date.
  const shown = Parameter.LastModifiedDate;
  assert.equal(typeof shown === 'number' ? shown * 1000 : Date.parse(shown), modified.getTime());
  assert.deepEqual(region.calls[0]?.input, { Name: '/a' });
  await assert.rejects(
    aws(region, 'ssm', 'get-parameters', '--names', 'a'),
    /An error occurred \(ParameterNotFound\) when calling the GetParameters operation: (\n|Unknown|$)/,
  );
  await assert.rejects(
    aws(region, 'ssm', 'list-documents'),
    /An error occurred \(NotImplemented\) when calling the ListDocuments operation: Holdfast does not support ssm:ListDocuments yet\./,
  );
});

test('the stock command line sends, reads and is refused', { skip }, async () => {
  await using region = await startToyRegion({
    'ec2:DescribeInstances': () => ({ Reservations: [] }),
    'ec2:RunInstances': () => ({ ReservationId: 'r-1', Instances: [{ InstanceId: 'i-1', Tags: [] }] }),
  });
  assert.deepEqual(await aws(region, 'ec2', 'describe-instances', '--filters', 'Name=tag:a,Values=b,c'), {
    Reservations: [],
  });
  assert.deepEqual(region.calls[0]?.input, { Filters: [{ Name: 'tag:a', Values: ['b', 'c'] }] });
  assert.equal(region.calls[0]?.region, 'eu-west-1');
  const launched = await aws(
    region,
    'ec2',
    'run-instances',
    '--image-id',
    'ami-1',
    '--count',
    '2',
    '--no-dry-run',
    '--client-token',
    't',
  );
  assert.deepEqual(launched, { ReservationId: 'r-1', Instances: [{ InstanceId: 'i-1', Tags: [] }] });
  assert.deepEqual(region.calls[1]?.input, {
    ImageId: 'ami-1',
    MinCount: 2,
    MaxCount: 2,
    DryRun: false,
    ClientToken: 't',
  });
  await assert.rejects(
    aws(region, 'ec2', 'create-vpn-gateway', '--type', 'ipsec.1'),
    /An error occurred \(UnsupportedOperation\) when calling the CreateVpnGateway operation: Holdfast does not support ec2:CreateVpnGateway yet\./,
  );
});
