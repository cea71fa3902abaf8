import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';

import { AUTOSCALING, ask, call, dummy, EC2, operations } from './raw-request.ts';
import { startToyRegion } from './toy-region.ts';

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
