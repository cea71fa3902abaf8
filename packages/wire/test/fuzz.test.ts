import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WireError } from '../src/errors.ts';
import { loadModel, SERVICES } from '../src/model.ts';
import { parseForm } from '../src/protocols/form.ts';
import { protocolNamed } from '../src/protocols/protocol.ts';

/** Names and values as a broken or hostile client would put them together. */
const word = fc.oneof(
  fc.constantFrom(
    'InstanceId',
    'Filter',
    'Tags',
    'member',
    'entry',
    '1',
    '0',
    '-1',
    '999999999',
    'Name',
    'Value',
    '__proto__',
    'constructor',
    '',
    '.',
    '%',
    '%00',
    '+',
  ),
  fc.string({ maxLength: 6 }),
);
const form = fc
  .array(fc.tuple(fc.array(word, { maxLength: 6 }), word), { maxLength: 12 })
  .map((pairs) => pairs.map(([path, value]) => `${path.join('.')}=${value}`).join('&'));

test('whatever a form holds, it is decoded or refused', () => {
  const operations = SERVICES.flatMap(({ service }) => {
    const model = loadModel(service);
    return model.operationNames().map((name) => [model, model.operation(name)!] as const);
  });
  fc.assert(
    fc.property(fc.constantFrom(...operations), form, ([model, operation], text) => {
      try {
        const parameters = parseForm(text);
        const request = { method: 'POST', path: '/', headers: {}, body: Buffer.from(text), parameters };
        const input = protocolNamed(model.protocol).decode(request, operation, model);
        const names = operation.input?.members.map(({ name }) => name) ?? [];
        for (const name of Object.keys(input)) assert.ok(names.includes(name));
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
        assert.ok(error.httpStatus >= 400 && error.httpStatus < 500);
      }
    }),
    { numRuns: 1000 },
  );
  assert.equal(Object.hasOwn(Object.prototype, 'Name'), false);
});

test('whatever a JSON body holds, it is decoded or refused', () => {
  const model = loadModel('ssm');
  const body = fc.oneof(
    fc.json({ maxDepth: 6 }),
    fc.string({ unit: 'binary' }),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc
      .dictionary(fc.oneof(word, fc.constant('Names'), fc.constant('Path')), fc.jsonValue())
      .map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(fc.constantFrom(...model.operationNames()), body, (name, content) => {
      const operation = model.operation(name)!;
      try {
        const request = {
          method: 'POST',
          path: '/',
          headers: {},
          body: Buffer.from(content),
          parameters: [],
        };
        const input = protocolNamed('awsJson1_1').decode(request, operation, model);
        const names = operation.input?.members.map((member) => member.name) ?? [];
        for (const given of Object.keys(input)) assert.ok(names.includes(given));
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
        assert.match(error.code, /^(SerializationException|ValidationException)$/);
      }
    }),
    { numRuns: 2000 },
  );
  assert.equal(Object.hasOwn(Object.prototype, 'Name'), false);
});

test('JSON as deep as a megabyte can be is refused, not followed', () => {
  const model = loadModel('ssm');
  const refuse = (operationName: string, text: string) => {
    const request = { method: 'POST', path: '/', headers: {}, body: Buffer.from(text), parameters: [] };
    const operation = model.operation(operationName)!;
    assert.throws(() => protocolNamed('awsJson1_1').decode(request, operation, model), WireError);
  };
  const deep = 20_000;
  // An aggregator holds aggregators.
  refuse('GetInventory', `${'{"Aggregators":['.repeat(deep)}{}${']}'.repeat(deep)}`);
  refuse('GetParameters', `{"Names":${'['.repeat(deep)}${']'.repeat(deep)}}`);
  refuse('GetParameters', '['.repeat(500_000));
});

test('a megabyte made to be slow is not', () => {
  const model = loadModel('ec2');
  const refuse = (operationName: string, text: string) => {
    const request = {
      method: 'POST',
      path: '/',
      headers: {},
      body: Buffer.alloc(0),
      parameters: parseForm(text),
    };
    const before = process.cpuUsage();
    assert.throws(
      () => protocolNamed('ec2').decode(request, model.operation(operationName)!, model),
      WireError,
    );
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 5_000_000, `${text.slice(0, 40)} took ${user + system} µs`);
  };
  const million = 1_000_000;
  refuse('RunInstances', `MinCount=${'1'.repeat(million)}x`);
  refuse('DescribeInstances', `InstanceId.1${'.1'.repeat(million / 2)}=1`);
  refuse('DescribeInstances', 'a&'.repeat(million / 2));
  refuse('DescribeInstances', Array.from({ length: 60_000 }, (_, n) => `X.${n}=1`).join('&'));
  refuse('ImportKeyPair', `KeyName=k&PublicKeyMaterial=${'%20'.repeat(million / 3)}!`);
  refuse('CreateFleet', `ValidFrom=${'1'.repeat(million)}`);
});
