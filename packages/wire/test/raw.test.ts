import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';

import { startToyRegion, type ToyRegion } from './toy-region.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

function ask(region: ToyRegion, { method = 'POST', path = '/', headers = {}, body }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port: region.port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: text,
          code: /<Code>(.*?)<\/Code>/.exec(text)?.[1],
          message: /<Message>(.*?)<\/Message>/.exec(text)?.[1],
        });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Headers of a request that is signed by somebody unknown. */
function dummy(service: string): Record<string, string> {
  return {
    authorization: `AWS4-HMAC-SHA256 Credential=test/20260301/eu-west-1/${service}/aws4_request, SignedHeaders=host;x-amz-date, Signature=00`,
    'x-amz-date': '20260301T000000Z',
  };
}

const EC2 = 'Version=2016-11-15';
const AUTOSCALING = 'Version=2011-01-01';

const operations = {
  'ec2:DescribeInstances': () => ({ Reservations: [] }),
  'ec2:RunInstances': () => ({}),
  'ec2:CreateTags': () => undefined,
  'ec2:DescribeInstanceTypes': () => ({}),
  'ec2:DescribeNatGateways': () => ({}),
  'autoscaling:DescribeAutoScalingGroups': () => ({ AutoScalingGroups: [] }),
  'autoscaling:CreateAutoScalingGroup': () => undefined,
  'autoscaling:SetInstanceHealth': () => undefined,
  'sts:AssumeRoleWithWebIdentity': () => ({}),
};

async function refused(sent: Sent, status: number, code: string, message?: string | RegExp): Promise<void> {
  await using region = await startToyRegion(operations);
  const answer = await ask(region, sent);
  assert.equal(answer.code, code, answer.body);
  assert.equal(answer.status, status);
  if (typeof message === 'string') assert.equal(answer.message, message);
  else if (message !== undefined) assert.match(answer.message ?? '', message);
  assert.match(String(answer.headers['x-amzn-requestid']), /^[0-9a-f-]{36}$/);
  assert.ok(answer.body.includes(String(answer.headers['x-amzn-requestid'])));
  assert.deepEqual(region.log, []);
}

const call = (service: string, body: string): Sent => ({ headers: dummy(service), body });

test('EC2 answers in the form that AWS answers in', async () => {
  await using region = await startToyRegion(operations);
  const answer = await ask(region, call('ec2', `Action=DescribeInstances&${EC2}`));
  const id = String(answer.headers['x-amzn-requestid']);
  assert.equal(
    answer.body,
    `<?xml version="1.0" encoding="UTF-8"?>\n<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>${id}</requestId><reservationSet/></DescribeInstancesResponse>`,
  );
  assert.equal(answer.headers['content-type'], 'text/xml;charset=UTF-8');
  const created = await ask(
    region,
    call('ec2', `Action=CreateTags&${EC2}&ResourceId.1=i-1&Tag.1.Key=a&Tag.1.Value=`),
  );
  assert.match(created.body, /<\/requestId><return>true<\/return><\/CreateTagsResponse>$/);
  assert.deepEqual(region.calls[1]?.input, { Resources: ['i-1'], Tags: [{ Key: 'a', Value: '' }] });
  assert.equal(region.calls[1]?.region, 'eu-west-1');
});

test('query services answer in the form that AWS answers in', async () => {
  await using region = await startToyRegion(operations);
  const answer = await ask(region, call('autoscaling', `Action=DescribeAutoScalingGroups&${AUTOSCALING}`));
  const id = String(answer.headers['x-amzn-requestid']);
  assert.equal(
    answer.body,
    `<?xml version="1.0" encoding="UTF-8"?>\n<DescribeAutoScalingGroupsResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><DescribeAutoScalingGroupsResult><AutoScalingGroups/></DescribeAutoScalingGroupsResult><ResponseMetadata><RequestId>${id}</RequestId></ResponseMetadata></DescribeAutoScalingGroupsResponse>`,
  );
  const bad = await ask(region, call('autoscaling', `Action=Nothing&${AUTOSCALING}`));
  assert.match(
    bad.body,
    /<ErrorResponse xmlns="http:\/\/autoscaling\.amazonaws\.com\/doc\/2011-01-01\/"><Error><Type>Sender<\/Type><Code>InvalidAction<\/Code>/,
  );
});

test('a GET with a query string is a call too', async () => {
  await using region = await startToyRegion(operations);
  const answer = await ask(region, {
    method: 'GET',
    path: `/?Action=DescribeInstances&InstanceId.1=i-1&${EC2}`,
    headers: dummy('ec2'),
  });
  assert.equal(answer.status, 200);
  assert.deepEqual(region.calls[0]?.input, { InstanceIds: ['i-1'] });
});

test('lists may be numbered out of order and with gaps, and an empty value is the empty list', async () => {
  await using region = await startToyRegion(operations);
  await ask(
    region,
    call('ec2', `Action=DescribeInstances&InstanceId.10=c&InstanceId.2=b&InstanceId.1=a&${EC2}`),
  );
  await ask(region, call('ec2', `Action=DescribeInstances&InstanceId=&${EC2}`));
  await ask(
    region,
    call('autoscaling', `Action=DescribeAutoScalingGroups&AutoScalingGroupNames=&${AUTOSCALING}`),
  );
  assert.deepEqual(
    region.calls.map(({ input }) => input),
    [{ InstanceIds: ['a', 'b', 'c'] }, { InstanceIds: [] }, { AutoScalingGroupNames: [] }],
  );
});

const REFUSALS: Record<string, [sent: Sent, status: number, code: string, message?: string | RegExp]> = {
  unsigned: [
    { body: `Action=DescribeInstances&${EC2}` },
    403,
    'MissingAuthenticationToken',
    'The request must contain valid credentials.',
  ],
  'unsigned, to a query service': [
    { body: `Action=GetCallerIdentity&Version=2011-06-15` },
    403,
    'MissingAuthenticationToken',
    'Request is missing Authentication Token',
  ],
  empty: [{ body: '' }, 403, 'MissingAuthenticationToken'],
  'of another signature version': [
    { headers: { authorization: 'AWS test:c2ln' }, body: `Action=DescribeInstances&${EC2}` },
    400,
    'IncompleteSignature',
    /Unsupported AWS 'algorithm': 'AWS'/,
  ],
  'with half a signature': [
    {
      headers: { authorization: 'AWS4-HMAC-SHA256 Credential=a/20260101/r/ec2/aws4_request' },
      body: `Action=DescribeInstances&${EC2}`,
    },
    400,
    'IncompleteSignature',
    /requires 'Signature' parameter.*requires 'SignedHeaders' parameter.*X-Amz-Date/,
  ],
  'with half a credential': [
    {
      headers: {
        authorization:
          'AWS4-HMAC-SHA256 Credential=a/20260101/ec2/aws4_request, SignedHeaders=host, Signature=0',
        'x-amz-date': '20260101T000000Z',
      },
      body: `Action=DescribeInstances&${EC2}`,
    },
    400,
    'IncompleteSignature',
    /at least 5 slash-delimited elements/,
  ],
  'without action': [call('ec2', EC2), 400, 'MissingAction'],
  'for an action that does not exist': [
    call('ec2', `Action=Describe%3CThings&${EC2}`),
    400,
    'InvalidAction',
    'The action Describe&lt;Things is not valid for this web service.',
  ],
  'for a query action that does not exist': [
    call('autoscaling', `Action=DescribeThings&${AUTOSCALING}`),
    400,
    'InvalidAction',
    'Could not find operation DescribeThings for version 2011-01-01',
  ],
  'for a version that does not exist': [
    call('ec2', 'Action=DescribeInstances&Version=1999-01-01'),
    400,
    'NoSuchVersion',
    'The requested version (1999-01-01) of service AmazonEC2 does not exist',
  ],
  'for a query version that does not exist': [
    call('sts', 'Action=GetCallerIdentity'),
    400,
    'InvalidAction',
    'Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED',
  ],
  'for an operation that AWS has': [
    call('ec2', `Action=CreateVpnGateway&${EC2}`),
    501,
    'UnsupportedOperation',
    'Holdfast does not support ec2:CreateVpnGateway yet.',
  ],
  'for a query operation that AWS has': [
    call('autoscaling', `Action=StartInstanceRefresh&${AUTOSCALING}`),
    501,
    'NotImplemented',
    'Holdfast does not support autoscaling:StartInstanceRefresh yet.',
  ],
  'for a service that is not here': [
    call('rds', 'Action=DescribeDBInstances&Version=2014-10-31'),
    501,
    'NotImplemented',
    'Holdfast does not support the service rds yet.',
  ],
  'for a REST service that is not here': [
    { method: 'PUT', path: '/bucket', headers: dummy('s3') },
    501,
    'NotImplemented',
    'Holdfast does not support the service s3 yet.',
  ],
  'for a classic load balancer': [
    call('elasticloadbalancing', 'Action=DescribeLoadBalancers&Version=2012-06-01'),
    501,
    'NotImplemented',
    /Classic Load Balancers/,
  ],
  'by another method': [
    {
      ...call('ec2', `Action=DescribeInstances&${EC2}`),
      method: 'PUT',
      path: `/?Action=DescribeInstances&${EC2}`,
    },
    405,
    'MethodNotAllowed',
  ],
  'at another path': [{ ...call('ec2', `Action=DescribeInstances&${EC2}`), path: '/there' }, 404, 'NotFound'],
  'with broken encoding': [
    call('ec2', `Action=DescribeInstances&${EC2}&InstanceId.1=%zz`),
    404,
    'MalformedQueryString',
  ],
  'with broken UTF-8': [
    call('ec2', `Action=DescribeInstances&${EC2}&InstanceId.1=%ff%fe`),
    404,
    'MalformedQueryString',
  ],
  'with an unknown parameter': [
    call('ec2', `Action=DescribeInstances&${EC2}&Colour=red`),
    400,
    'UnknownParameter',
    'The parameter Colour is not recognized',
  ],
  'with an unknown parameter inside another': [
    call('ec2', `Action=DescribeInstances&${EC2}&Filter.1.Nam=red`),
    400,
    'UnknownParameter',
    'The parameter Filter.1.Nam is not recognized',
  ],
  'with a list that is not numbered': [
    call('ec2', `Action=DescribeInstances&${EC2}&InstanceId.x=red`),
    400,
    'UnknownParameter',
    'The parameter InstanceId.x is not recognized',
  ],
  'with a text for a list': [
    call('ec2', `Action=DescribeInstances&${EC2}&InstanceId=i-1`),
    400,
    'UnknownParameter',
    'The parameter InstanceId is not recognized',
  ],
  'with an endless name': [
    call('ec2', `Action=DescribeInstances&${EC2}&${'a.'.repeat(50_000)}=1`),
    400,
    'UnknownParameter',
  ],
  'without a required parameter': [
    call('ec2', `Action=RunInstances&${EC2}&MinCount=1`),
    400,
    'MissingParameter',
    'The request must contain the parameter MaxCount',
  ],
  'with a word for a number': [
    call('ec2', `Action=RunInstances&${EC2}&MinCount=one&MaxCount=1`),
    400,
    'InvalidParameterValue',
    /'one' for MinCount/,
  ],
  'with a number beyond 32 bits': [
    call('ec2', `Action=RunInstances&${EC2}&MinCount=1&MaxCount=4294967297`),
    400,
    'InvalidParameterValue',
  ],
  'with an unknown instance type': [
    call('ec2', `Action=RunInstances&${EC2}&MinCount=1&MaxCount=1&InstanceType=huge`),
    400,
    'InvalidParameterValue',
    "Invalid value 'huge' for InstanceType.",
  ],
  'that describes an unknown instance type': [
    call('ec2', `Action=DescribeInstanceTypes&${EC2}&InstanceType.1=t3.micro&InstanceType.2=huge`),
    400,
    'InvalidInstanceType',
    'The following supplied instance types do not exist: [huge]',
  ],
  'with a number that is too small': [
    call('ec2', `Action=DescribeNatGateways&${EC2}&MaxResults=1`),
    400,
    'InvalidParameterValue',
    'Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than 5.',
  ],
  'with an unknown query parameter': [
    call('autoscaling', `Action=DescribeAutoScalingGroups&${AUTOSCALING}&Colour=red`),
    400,
    'ValidationError',
    'The parameter Colour is not recognized',
  ],
  'with a wrong boolean': [
    call(
      'autoscaling',
      `Action=SetInstanceHealth&${AUTOSCALING}&InstanceId=i&HealthStatus=x&ShouldRespectGracePeriod=True`,
    ),
    400,
    'MalformedInput',
    'boolean must follow xsd1.1 definition',
  ],
  'without what a query operation requires': [
    call('autoscaling', `Action=SetInstanceHealth&${AUTOSCALING}&InstanceId=i`),
    400,
    'ValidationError',
    "1 validation error detected: Value null at 'healthStatus' failed to satisfy constraint: Member must not be null",
  ],
  'with several faults': [
    call(
      'autoscaling',
      `Action=CreateAutoScalingGroup&${AUTOSCALING}&AutoScalingGroupName=&MinSize=0&Tags.member.1.Value=v`,
    ),
    400,
    'ValidationError',
    "3 validation errors detected: Value '' at 'autoScalingGroupName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value null at 'maxSize' failed to satisfy constraint: Member must not be null; Value null at 'tags.member.1.key' failed to satisfy constraint: Member must not be null",
  ],
};

for (const [what, refusal] of Object.entries(REFUSALS)) {
  test(`a request ${what} is refused`, () => refused(...refusal));
}

test('a JSON client is told in JSON that its service is not here', async () => {
  await using region = await startToyRegion(operations);
  const answer = await ask(region, {
    headers: {
      ...dummy('monitoring'),
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': 'GraniteServiceVersion20100801.PutMetricAlarm',
    },
    body: '{"Threshold": "50%"}',
  });
  assert.equal(answer.status, 501);
  assert.deepEqual(JSON.parse(answer.body), {
    __type: 'NotImplemented',
    message: 'Holdfast does not support the service monitoring yet.',
  });
});

test('a body beyond the limit is refused, sent with its length or in chunks', async () => {
  await using region = await startToyRegion(operations, { maxBodyBytes: 1000 });
  const body = `Action=DescribeInstances&${EC2}&InstanceId.1=${'x'.repeat(5000)}`;
  const whole = await ask(region, call('ec2', body));
  assert.equal(whole.status, 413);
  assert.equal(whole.code, 'RequestEntityTooLarge');
  assert.equal(whole.headers.connection, 'close');
  assert.match(whole.body, /<Response><Errors><Error><Code>/);
  const chunked = await ask(region, { headers: { ...dummy('ec2'), 'transfer-encoding': 'chunked' }, body });
  assert.equal(chunked.status, 413);
  const lawful = await ask(
    region,
    call('ec2', `Action=DescribeInstances&${EC2}&InstanceId.1=${'x'.repeat(900)}`),
  );
  assert.equal(lawful.status, 200);
});

test('a client that goes away in the middle of its body does no harm', async () => {
  await using region = await startToyRegion(operations);
  const socket = connect(region.port, '127.0.0.1');
  const begun = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nAction=';
  await new Promise((resolve) => socket.write(begun, resolve));
  socket.destroy();
  assert.equal((await ask(region, call('ec2', `Action=DescribeInstances&${EC2}`))).status, 200);
  assert.deepEqual(region.log, []);
});

test('plain routes answer without credentials, also below a path', async () => {
  await using region = await startToyRegion(operations, {
    routes: {
      'GET /_localstack/health': (_request, response, origin) =>
        void response.end(JSON.stringify({ origin })),
      'GET /_holdfast/*': (request, response) => void response.end(request.url),
    },
  });
  assert.equal(
    (await ask(region, { method: 'GET', path: '/_localstack/health?x=1' })).body,
    '{"origin":"loopback"}',
  );
  assert.equal((await ask(region, { method: 'GET', path: '/_holdfast/a/b' })).body, '/_holdfast/a/b');
  assert.equal((await ask(region, { method: 'POST', path: '/_localstack/health' })).status, 403);
});

test('a page of another site cannot use the dummy keys', async () => {
  await using region = await startToyRegion(operations);
  const body = `Action=DescribeInstances&${EC2}`;
  const ask_ = (headers: Record<string, string>) =>
    ask(region, { headers: { ...dummy('ec2'), ...headers }, body });
  assert.equal(
    (await ask_({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })).code,
    'AuthFailure',
  );
  assert.equal((await ask_({ 'sec-fetch-site': 'cross-site' })).code, 'AuthFailure');
  assert.equal((await ask_({ origin: 'null' })).code, 'AuthFailure');
  assert.equal((await ask_({ origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' })).status, 200);
  assert.equal((await ask_({ 'sec-fetch-site': 'none' })).status, 200);
});

test('an error whose status is no status is an internal fault, and the server lives on', async () => {
  await using region = await startToyRegion({
    'ec2:DescribeInstances': () => {
      throw Object.assign(new Error('odd'), { code: 'Odd', httpStatus: 99 });
    },
  });
  const answer = await ask(region, call('ec2', `Action=DescribeInstances&${EC2}`));
  assert.equal(answer.code, 'InternalError');
  assert.equal(region.log.length, 1);
});

test('characters that XML cannot carry are replaced in an error message', async () => {
  await using region = await startToyRegion({
    'ec2:DescribeInstances': () => {
      throw Object.assign(new Error('a\u0000b\u001fc]]>\ud800'), {
        code: 'X',
        httpStatus: 400,
        fields: { Hint: '<1>' },
      });
    },
  });
  const answer = await ask(region, call('ec2', `Action=DescribeInstances&${EC2}`));
  assert.match(answer.body, /<Message>a\ufffdb\ufffdc\]\]&gt;\ufffd<\/Message><Hint>&lt;1&gt;<\/Hint>/);
});
