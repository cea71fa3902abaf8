import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { SignatureV4 } from '@smithy/signature-v4';
import { formatTime, isSignedWith, readSignature, type SignedRequest } from '../src/sigv4.ts';
import { ALICE, clientSettings, ROOT, startToyRegion, type ToyRegion } from './toy-region.ts';

const operations = {
  'sts:GetCallerIdentity': () => ({ Account: '000000000000' }),
  'ec2:DescribeInstances': () => ({ Reservations: [] }),
};
const QUERY = 'Action=GetCallerIdentity&Version=2011-06-15';
const keys = {
  AKIAALICE: ALICE,
  ASIATEMP: { ...ALICE, sessionToken: 'the+token/=', expiresAt: Date.parse('2030-01-01') },
};

class Sha256 {
  private readonly hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.hash =
      secret === undefined ? createHash('sha256') : createHmac('sha256', Buffer.from(secret as Uint8Array));
  }
  update(data: Uint8Array): void {
    this.hash.update(data);
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.hash.digest()));
  }
}

/** A presigned URL, made by the SDK's own signer. */
async function presign(
  region: ToyRegion,
  options: {
    signingDate?: Date;
    expiresIn?: number;
    secret?: string;
    query?: Record<string, string>;
    accessKeyId?: string;
    sessionToken?: string;
  } = {},
): Promise<string> {
  const { accessKeyId = 'AKIAALICE', secret = ALICE.secretAccessKey, sessionToken, query = {} } = options;
  const signer = new SignatureV4({
    credentials: { accessKeyId, secretAccessKey: secret, ...(sessionToken && { sessionToken }) },
    region: 'us-east-1',
    service: 'sts',
    sha256: Sha256,
  });
  const host = `127.0.0.1:${region.port}`;
  const signed = await signer.presign(
    {
      method: 'GET',
      protocol: 'http:',
      hostname: '127.0.0.1',
      port: region.port,
      path: '/',
      headers: { host },
      query: { ...Object.fromEntries(new URLSearchParams(QUERY)), ...query },
    },
    { ...(options.signingDate && { signingDate: options.signingDate }), expiresIn: options.expiresIn ?? 60 },
  );
  const pairs = Object.entries(signed.query ?? {}).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  );
  return `http://${host}/?${pairs.join('&')}`;
}

async function codeOf(url: string, init?: RequestInit): Promise<string> {
  const answer = await fetch(url, init);
  const text = await answer.text();
  return answer.ok ? 'OK' : (/<Code>(.*?)<\/Code>/.exec(text)?.[1] ?? text);
}

test('the worked example of the signature documentation holds', () => {
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
  const request: SignedRequest = {
    method: 'GET',
    target: '/?Action=ListUsers&Version=2010-05-08',
    headers: {
      host: ['iam.amazonaws.com'],
      'content-type': ['application/x-www-form-urlencoded; charset=utf-8'],
      'x-amz-date': ['20150830T123600Z'],
      authorization: [
        'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
      ],
    },
    body: Buffer.alloc(0),
  };
  const reading = readSignature(request.headers, []);
  assert.ok('signature' in reading);
  const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
  assert.equal(isSignedWith(secret, request, reading.signature), true);
  assert.equal(isSignedWith(`${secret}x`, request, reading.signature), false);
  assert.equal(
    isSignedWith(secret, { ...request, target: `${request.target}&x=1` }, reading.signature),
    false,
  );
  assert.equal(isSignedWith(secret, { ...request, body: Buffer.from('x') }, reading.signature), false);
  assert.equal(
    isSignedWith(secret, { ...request, headers: { ...request.headers, host: ['other'] } }, reading.signature),
    false,
  );
});

test('a key that was issued is verified even on loopback, with the code of each service family', async () => {
  await using region = await startToyRegion(operations, { keys });
  const wrong = { accessKeyId: 'AKIAALICE', secretAccessKey: 'guess' };
  await assert.rejects(new STSClient(clientSettings(region, wrong)).send(new GetCallerIdentityCommand({})), {
    name: 'SignatureDoesNotMatch',
  });
  await assert.rejects(
    new EC2Client(clientSettings(region, wrong)).send(new DescribeInstancesCommand({})),
    (error: Error & { $metadata: { httpStatusCode: number } }) => {
      assert.equal(error.name, 'AuthFailure');
      assert.equal(error.$metadata.httpStatusCode, 401);
      return true;
    },
  );
  const right = { accessKeyId: 'AKIAALICE', secretAccessKey: ALICE.secretAccessKey };
  await new EC2Client(clientSettings(region, right)).send(
    new DescribeInstancesCommand({ Filters: [{ Name: 'a b', Values: ['é*~'] }] }),
  );
  assert.equal(region.calls[0]?.principal, ALICE.principal);
});

test('unknown keys are the root on loopback, nobody when strict, and nobody from an instance', async () => {
  const ask = async (options: object) => {
    await using region = await startToyRegion(operations, { keys, ...options });
    const outcome = await new STSClient(clientSettings(region)).send(new GetCallerIdentityCommand({})).then(
      () => 'OK',
      (error: Error) => error.name,
    );
    return [outcome, region.calls[0]?.principal];
  };
  assert.deepEqual(await ask({}), ['OK', ROOT]);
  assert.deepEqual(await ask({ strictAuth: true }), ['InvalidClientTokenId', undefined]);
  assert.deepEqual(await ask({ origin: { vpcId: 'vpc-1', address: '10.0.0.4' } }), [
    'InvalidClientTokenId',
    undefined,
  ]);
});

test('a temporary key counts with its token and until it expires', async () => {
  await using region = await startToyRegion(operations, { keys });
  const send = (sessionToken?: string) => {
    const credentials = {
      accessKeyId: 'ASIATEMP',
      secretAccessKey: ALICE.secretAccessKey,
      ...(sessionToken && { sessionToken }),
    };
    return new STSClient(clientSettings(region, credentials)).send(new GetCallerIdentityCommand({}));
  };
  await send('the+token/=');
  await assert.rejects(send('another'), { name: 'InvalidClientTokenId' });
  await assert.rejects(send(), { name: 'InvalidClientTokenId' });
  await using later = await startToyRegion(operations, { keys, regionNow: () => Date.parse('2030-01-01') });
  const credentials = {
    accessKeyId: 'ASIATEMP',
    secretAccessKey: ALICE.secretAccessKey,
    sessionToken: 'the+token/=',
  };
  // The SDK turns the code into the name of its own exception.
  await assert.rejects(
    new STSClient(clientSettings(later, credentials)).send(new GetCallerIdentityCommand({})),
    /is expired/,
  );
  await assert.rejects(
    new EC2Client(clientSettings(later, credentials)).send(new DescribeInstancesCommand({})),
    { name: 'RequestExpired' },
  );
});

test('a signature holds for fifteen minutes either way', async () => {
  const skewed = async (minutes: number) => {
    await using region = await startToyRegion(operations, { keys, now: () => Date.now() + minutes * 60_000 });
    const credentials = { accessKeyId: 'AKIAALICE', secretAccessKey: ALICE.secretAccessKey };
    return await new STSClient(clientSettings(region, credentials))
      .send(new GetCallerIdentityCommand({}))
      .then(
        () => 'OK',
        (error: Error) => `${error.name}: ${error.message}`,
      );
  };
  assert.equal(await skewed(14), 'OK');
  assert.equal(await skewed(-14), 'OK');
  assert.match(
    await skewed(16),
    /^SignatureDoesNotMatch: Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 15 min\.\)$/,
  );
  assert.match(await skewed(-16), /^SignatureDoesNotMatch: Signature not yet current: /);
});

test('a presigned request holds as signed, until it expires', async () => {
  await using region = await startToyRegion(operations, { keys });
  assert.equal(await codeOf(await presign(region)), 'OK');
  assert.equal(region.calls[0]?.principal, ALICE.principal);
  assert.deepEqual(region.calls[0]?.input, {});
  assert.equal(
    await codeOf(await presign(region, { accessKeyId: 'ASIATEMP', sessionToken: 'the+token/=' })),
    'OK',
  );
  assert.equal(await codeOf(await presign(region, { accessKeyId: 'test', secret: 'test' })), 'OK');
  assert.equal(await codeOf(await presign(region, { secret: 'guess' })), 'SignatureDoesNotMatch');
  const old = new Date(Date.now() - 120_000);
  assert.equal(await codeOf(await presign(region, { signingDate: old, expiresIn: 600 })), 'OK');
  assert.equal(
    await codeOf(await presign(region, { signingDate: old, expiresIn: 60 })),
    'SignatureDoesNotMatch',
  );
});

test('nothing of a presigned request can be changed', async () => {
  await using region = await startToyRegion(operations, { keys });
  const url = await presign(region);
  assert.equal(await codeOf(url), 'OK');
  assert.equal(await codeOf(`${url}&Extra=1`), 'SignatureDoesNotMatch');
  assert.equal(await codeOf(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000')), 'SignatureDoesNotMatch');
  assert.equal(await codeOf(url.replace('us-east-1', 'eu-west-1')), 'SignatureDoesNotMatch');
  assert.equal(
    await codeOf(url.replace(/X-Amz-Signature=.{8}/, 'X-Amz-Signature=00000000')),
    'SignatureDoesNotMatch',
  );
  assert.equal(
    await codeOf(url.replace(/X-Amz-Signature=[0-9a-f]+/, 'X-Amz-Signature=')),
    'IncompleteSignature',
  );
  assert.equal(await codeOf(url, { method: 'POST', body: 'Extra=1' }), 'SignatureDoesNotMatch');
});

test('a payload may be declared unsigned, and a declared hash must be the true one', async () => {
  await using region = await startToyRegion(operations, { keys });
  const signer = new SignatureV4({
    credentials: { accessKeyId: 'AKIAALICE', secretAccessKey: ALICE.secretAccessKey },
    region: 'us-east-1',
    service: 'sts',
    sha256: Sha256,
  });
  const send = async (declared: string, body: string) => {
    const headers = {
      host: `127.0.0.1:${region.port}`,
      'content-type': 'application/x-www-form-urlencoded',
      'x-amz-content-sha256': declared,
    };
    const signed = await signer.sign({
      method: 'POST',
      protocol: 'http:',
      hostname: '127.0.0.1',
      port: region.port,
      path: '/',
      headers,
      query: {},
      body: QUERY,
    });
    const { host, ...rest } = signed.headers as Record<string, string>;
    return codeOf(region.endpoint, { method: 'POST', headers: rest, body });
  };
  assert.equal(await send('UNSIGNED-PAYLOAD', QUERY), 'OK');
  assert.equal(await send('UNSIGNED-PAYLOAD', `${QUERY}&`), 'OK');
  const hash = createHash('sha256').update(QUERY).digest('hex');
  assert.equal(await send(hash, QUERY), 'OK');
  assert.equal(await send(hash, `${QUERY}&`), 'SignatureDoesNotMatch');
});

test('times are written as signatures have them', () => {
  assert.equal(formatTime(Date.parse('2026-03-01T02:03:04.999Z')), '20260301T020304Z');
});
