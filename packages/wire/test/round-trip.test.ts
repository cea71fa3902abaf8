import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as autoscaling from '@aws-sdk/client-auto-scaling';
import * as ec2 from '@aws-sdk/client-ec2';
import * as connect from '@aws-sdk/client-ec2-instance-connect';
import * as elbv2 from '@aws-sdk/client-elastic-load-balancing-v2';
import * as ssm from '@aws-sdk/client-ssm';
import * as sts from '@aws-sdk/client-sts';
import fc from 'fast-check';
import { loadModel, type OperationModel, type ServiceModel } from '../src/model.ts';
import { decodeJson } from '../src/protocols/decode-json.ts';
import { type Decoded, decodeQuery } from '../src/protocols/decode-query.ts';
import { parameterTree, parseForm } from '../src/protocols/form.ts';
import { protocolNamed } from '../src/protocols/protocol.ts';
import { valueFor, withoutEmpties } from './arbitrary.ts';

type AnyClient = { send(command: unknown): Promise<Record<string, unknown>> };
type Handle = (body: string) => string;

const RUNS = Number(process.env.HOLDFAST_PROPERTY_RUNS ?? 150);
const packages: Record<string, Record<string, unknown>> = {
  ec2,
  sts,
  elbv2,
  autoscaling,
  ssm,
  'ec2-instance-connect': connect,
};
const clientNames: Record<string, string> = {
  ec2: 'EC2Client',
  sts: 'STSClient',
  elbv2: 'ElasticLoadBalancingV2Client',
  autoscaling: 'AutoScalingClient',
  ssm: 'SSMClient',
  'ec2-instance-connect': 'EC2InstanceConnectClient',
};

/** An SDK client whose requests go to a function instead of a network. */
function clientOf(service: string, handle: Handle): AnyClient {
  const Client = packages[service]![clientNames[service]!] as new (settings: object) => AnyClient;
  return new Client({
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
    requestHandler: {
      async handle(request: { body: string | Uint8Array }) {
        const body = Buffer.from(handle(textOf(request.body)));
        return { response: { statusCode: 200, headers: { 'content-type': 'text/xml' }, body, reason: '' } };
      },
    },
  });
}

const textOf = (body: string | Uint8Array): string =>
  typeof body === 'string' ? body : new TextDecoder().decode(body);

async function send(
  service: string,
  operation: string,
  input: unknown,
  handle: Handle,
): Promise<Record<string, unknown>> {
  const Command = packages[service]![`${operation}Command`] as new (input: unknown) => object;
  const { $metadata, ...output } = await clientOf(service, handle).send(new Command(input));
  return output;
}

/**
 * One of the service's operations, by name, together with a value of one of its shapes. Left out is CopySnapshot,
 * for which the SDK works a URL and a region of its own into the input.
 */
function exampleOf(
  model: ServiceModel,
  side: 'input' | 'output',
): fc.Arbitrary<[name: string, value: Record<string, unknown>]> {
  const usable = model.operationNames().filter((name) => {
    return name !== 'CopySnapshot' && (model.operation(name)?.[side]?.members.length ?? 0) > 0;
  });
  return fc.constantFrom(...usable).chain((name) => {
    const value = valueFor(model.operation(name)![side]!) as fc.Arbitrary<Record<string, unknown>>;
    return fc.tuple(fc.constant(name), value);
  });
}

for (const service of Object.keys(packages)) {
  const model = loadModel(service);

  test(`${service}: the SDK reads every output as it was given`, async () => {
    const protocol = protocolNamed(model.protocol);
    await fc.assert(
      fc.asyncProperty(exampleOf(model, 'output'), async ([name, output]) => {
        const operation = model.operation(name)!;
        const { body } = protocol.encode(output, { model, operation, requestId: 'r' });
        assert.deepEqual(await send(service, operation.name, {}, () => body), output);
      }),
      { numRuns: RUNS },
    );
  });

  test(`${service}: every input is decoded as the SDK was given it`, async () => {
    await fc.assert(
      fc.asyncProperty(exampleOf(model, 'input'), async ([name, value]) => {
        const input = withoutEmpties(value) as Record<string, unknown>;
        const operation = model.operation(name)!;
        let sent = '';
        const { body } = protocolNamed(model.protocol).encode(
          {},
          { model, operation: { ...operation, output: undefined }, requestId: 'r' },
        );
        await send(service, operation.name, input, (text) => {
          sent = text;
          return body;
        });
        const decoded = decode(model, operation, sent);
        const allowed = decoded.violations.filter(({ kind }) => kind !== 'constraint' && kind !== 'missing');
        assert.deepEqual(allowed, []);
        assert.deepEqual(withoutTokens(decoded.input, input), input);
      }),
      { numRuns: RUNS },
    );
  });
}

function decode(model: ServiceModel, operation: OperationModel, sent: string): Decoded {
  if (model.protocol === 'awsJson1_1') return decodeJson(JSON.parse(sent), operation.input);
  const pairs = parseForm(sent).filter(([name]) => name !== 'Action' && name !== 'Version');
  const listsAreFlat = model.protocol === 'ec2';
  return decodeQuery(parameterTree(pairs), operation.input, { listsAreFlat, booleans: 'xsd' });
}

/** The SDK fills in a ClientToken that was left out. */
function withoutTokens(
  decoded: Record<string, unknown>,
  given: Record<string, unknown>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(decoded).filter(([name]) => name in given || !/Token$/.test(name)),
  );
}
