import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EC2InstanceConnectClient, SendSSHPublicKeyCommand } from '@aws-sdk/client-ec2-instance-connect';
import {
  GetParameterCommand,
  GetParametersByPathCommand,
  ParameterNotFound,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { WireError } from '../src/index.ts';
import { type Answer, ask, dummy, type Sent } from './raw-request.ts';
import { ALICE, clientSettings, startToyRegion } from './toy-region.ts';

const operations = {
  'ssm:GetParameter': () => ({
    Parameter: { Name: '/a', Version: 7, LastModifiedDate: new Date(1_772_366_400_250), Value: undefined },
  }),
  'ssm:GetParameters': () => ({}),
  'ssm:PutInventory': () => ({}),
  'ec2-instance-connect:SendSSHPublicKey': () => ({ RequestId: 'r', Success: true }),
};

const target = (operation: string, body: string | Buffer, service = 'ssm'): Sent => ({
  headers: {
    ...dummy(service),
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': operation,
  },
  body,
});
const get = (body: string): Sent => target('AmazonSSM.GetParameter', body);

async function answerTo(sent: Sent): Promise<Answer & { json: Record<string, unknown> }> {
  await using region = await startToyRegion(operations);
  const answer = await ask(region, sent);
  assert.deepEqual(region.log, []);
  return { ...answer, json: JSON.parse(answer.body) };
}

test('JSON services answer in the form that AWS answers in', async () => {
  const answer = await answerTo(get('{"Name":"/a","WithDecryption":null}'));
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/x-amz-json-1.1');
  assert.match(String(answer.headers['x-amzn-requestid']), /^[0-9a-f-]{36}$/);
  assert.equal(answer.body, '{"Parameter":{"Name":"/a","Version":7,"LastModifiedDate":1772366400.25}}');
});

test('a call reaches the backend as the SDK sent it, signed with a key of the region', async () => {
  await using region = await startToyRegion({
    ...operations,
    'ssm:GetParametersByPath': () => ({ Parameters: [], NextToken: 't' }),
  });
  const credentials = { accessKeyId: 'AKIAALICE', secretAccessKey: ALICE.secretAccessKey };
  const client = new SSMClient(clientSettings(region, credentials));
  const input = { Path: '/aws/service', Recursive: true, MaxResults: 5 };
  const { Parameters, NextToken } = await client.send(new GetParametersByPathCommand(input));
  assert.deepEqual([Parameters, NextToken], [[], 't']);
  assert.deepEqual(region.calls[0]?.input, input);
  assert.deepEqual(
    [region.calls[0]?.service, region.calls[0]?.operation, region.calls[0]?.region],
    ['ssm', 'GetParametersByPath', 'us-west-2'],
  );
  assert.equal(region.calls[0]?.principal, ALICE.principal);
  const { Parameter } = await client.send(new GetParameterCommand({ Name: '/a' }));
  assert.equal(Parameter?.LastModifiedDate?.getTime(), 1_772_366_400_250);
  const stranger = new SSMClient(clientSettings(region, { ...credentials, secretAccessKey: 'wrong' }));
  await assert.rejects(stranger.send(new GetParameterCommand({ Name: '/a' })), {
    name: 'InvalidSignatureException',
  });
});

test('a refusal of the backend is an error of the SDK', async () => {
  await using region = await startToyRegion({
    'ssm:GetParameter': () => {
      throw new WireError('ParameterNotFound', '');
    },
    'ec2-instance-connect:SendSSHPublicKey': () => {
      throw Object.assign(new Error('No such'), { code: 'EC2InstanceNotFoundException', httpStatus: 400 });
    },
  });
  const ssm = new SSMClient(clientSettings(region));
  await assert.rejects(ssm.send(new GetParameterCommand({ Name: 'n' })), ParameterNotFound);
  const answer = await ask(region, get('{"Name":"n"}'));
  assert.equal(answer.body, '{"__type":"ParameterNotFound"}');
  const connect = new EC2InstanceConnectClient(clientSettings(region));
  const input = { InstanceId: 'i-0123456789', InstanceOSUser: 'admin', SSHPublicKey: 'k'.repeat(80) };
  await assert.rejects(connect.send(new SendSSHPublicKeyCommand(input)), {
    name: 'EC2InstanceNotFoundException',
    message: 'No such',
  });
});

test('an internal fault stays inside', async () => {
  await using region = await startToyRegion({ 'ssm:GetParameter': () => ({ Parameter: { Version: 'x' } }) });
  const answer = await ask(region, get('{"Name":"n"}'));
  assert.equal(answer.status, 500);
  assert.equal(JSON.parse(answer.body).__type, 'InternalFailure');
  assert.match(region.log[0]!, /ssm:GetParameter failed: .*Parameter\.Version: expected a long, got string/);
});

const REFUSALS: Record<string, [sent: Sent, status: number, type: string, message?: string | RegExp]> = {
  unsigned: [
    { headers: { 'x-amz-target': 'AmazonSSM.GetParameter' }, body: '{}' },
    400,
    'MissingAuthenticationTokenException',
    'Missing Authentication Token',
  ],
  'with half a signature': [
    {
      headers: {
        'x-amz-target': 'AmazonSSM.GetParameter',
        authorization: 'AWS4-HMAC-SHA256 Credential=a/20260101/r/ssm/aws4_request',
      },
      body: '{}',
    },
    400,
    'IncompleteSignatureException',
  ],
  'for an operation that AWS has not': [
    target('AmazonSSM.GetParametres', '{}'),
    400,
    'UnknownOperationException',
    'There is no operation GetParametres.',
  ],
  'for an operation of a target that is not its scope’s': [
    target('AmazonEC2ContainerServiceV20141113.ListClusters', '{}'),
    400,
    'UnknownOperationException',
  ],
  'without a target': [
    { headers: { ...dummy('ssm'), 'content-type': 'application/x-amz-json-1.1' }, body: '{}' },
    400,
    'UnknownOperationException',
  ],
  'as a query': [
    { headers: dummy('ssm'), body: 'Action=GetParameter&Version=2014-11-06&Name=a' },
    400,
    'UnknownOperationException',
  ],
  'by another method': [{ ...get('{}'), method: 'PUT' }, 405, 'MethodNotAllowed'],
  'at another path': [{ ...get('{}'), path: '/there' }, 404, 'NotFound'],
  'for an operation that AWS has': [
    target('AmazonSSM.ListDocuments', '{}'),
    501,
    'NotImplemented',
    'Holdfast does not support ssm:ListDocuments yet.',
  ],
  'for a service that is not here': [
    target('DynamoDB_20120810.ListTables', '{}', 'dynamodb'),
    501,
    'NotImplemented',
    'Holdfast does not support the service dynamodb yet.',
  ],
  'that is no JSON': [get('Name=a'), 400, 'SerializationException'],
  'that is no UTF-8': [
    target('AmazonSSM.GetParameter', Buffer.from([0x22, 0xff, 0x22])),
    400,
    'SerializationException',
  ],
  'that is no object': [get('[]'), 400, 'SerializationException', 'Start of list found where not expected'],
  'with a number for a string': [
    get('{"Name":1}'),
    400,
    'SerializationException',
    'NUMBER_VALUE can not be converted to a String',
  ],
  'with a string for a boolean': [
    get('{"Name":"a","WithDecryption":"true"}'),
    400,
    'SerializationException',
    'STRING_VALUE can not be converted to a Boolean',
  ],
  'with a structure for a string': [
    get('{"Name":{}}'),
    400,
    'SerializationException',
    'Start of structure or map found where not expected.',
  ],
  'without what is required': [
    get(''),
    400,
    'ValidationException',
    "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null",
  ],
  'with an unknown parameter': [
    get('{"Name":"a","Colour":"red"}'),
    400,
    'ValidationException',
    'The parameter Colour is not recognized',
  ],
  'with a name that means something to JavaScript': [
    get('{"Name":"a","__proto__":{"x":1}}'),
    400,
    'ValidationException',
    'The parameter __proto__ is not recognized',
  ],
  'with nothing in a list': [
    target('AmazonSSM.GetParameters', '{"Names":["",null]}'),
    400,
    'ValidationException',
    "2 validation errors detected: Value '' at 'names.1.member' failed to satisfy constraint: Member must have length greater than or equal to 1; Value null at 'names.2.member' failed to satisfy constraint: Member must not be null",
  ],
  // As https://github.com/mludvig/aws-ssm-tools/issues/44 shows it.
  'against the model of a service with a code of its own for it': [
    target(
      'AWSEC2InstanceConnectService.SendSSHPublicKey',
      JSON.stringify({
        InstanceId: 'mi-048afb7f6460a110d',
        InstanceOSUser: 'admin',
        SSHPublicKey: 'k'.repeat(80),
      }),
      'ec2-instance-connect',
    ),
    400,
    'InvalidArgsException',
    "1 validation error detected: Value 'mi-048afb7f6460a110d' at 'instanceId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^i-[a-f0-9]+$",
  ],
};

for (const [what, [sent, status, type, message]] of Object.entries(REFUSALS)) {
  test(`a JSON request ${what} is refused`, async () => {
    const answer = await answerTo(sent);
    assert.equal(answer.json.__type, type, answer.body);
    assert.equal(answer.status, status);
    if (typeof message === 'string') assert.equal(answer.json.message, message);
    assert.match(String(answer.headers['x-amzn-requestid']), /^[0-9a-f-]{36}$/);
  });
}
