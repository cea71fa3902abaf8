import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BOTOCORE_MISSING, findBotocoreData } from '../generator/botocore.ts';
import { generate } from '../generator/generate.ts';
import { loadModel, SERVICES } from '../src/model.ts';

const committed = fileURLToPath(new URL('../models/', import.meta.url));
const botocore = findBotocoreData();

test('the committed models are what the generator writes', {
  skip: botocore === undefined && BOTOCORE_MISSING,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-models-'));
  try {
    await generate(folder, botocore!, () => {});
    assert.deepEqual(readdirSync(folder).sort(), readdirSync(committed).sort());
    for (const name of readdirSync(folder)) {
      assert.ok(
        readFileSync(join(folder, name)).equals(readFileSync(join(committed, name))),
        `${name} differs: run npm run generate and commit what it writes`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('every operation of every model resolves', () => {
  for (const { service } of SERVICES) {
    const model = loadModel(service);
    const names = model.operationNames();
    assert.ok(names.length > 10);
    for (const name of names) assert.equal(model.operation(name)?.name, name);
    assert.equal(model.hasOperation('toString'), false);
    assert.equal(model.operation('constructor'), undefined);
  }
});

test('what AWS has is told from what it has not', () => {
  const ec2 = loadModel('ec2');
  assert.equal(ec2.hasOperation('CreateVpnGateway'), true);
  assert.equal(ec2.hasOperation('CreateVpnGateways'), false);
  assert.equal(loadModel('sts').operation('AssumeRoleWithWebIdentity')?.unsigned, true);
});
