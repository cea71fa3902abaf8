import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTOSCALING, ask, call, dummy, EC2, operations, type Sent } from './raw-request.ts';
import { startToyRegion } from './toy-region.ts';

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
  'for a region that cannot be': [
    {
      headers: {
        ...dummy('ec2'),
        authorization:
          'AWS4-HMAC-SHA256 Credential=test/20260301/eu%2fx/ec2/aws4_request, SignedHeaders=host, Signature=00',
      },
      body: `Action=DescribeInstances&${EC2}`,
    },
    400,
    'IncompleteSignature',
    "Credential should be scoped to a valid region, not 'eu%2fx'.",
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
