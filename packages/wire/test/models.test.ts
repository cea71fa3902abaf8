import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BOTOCORE_MISSING, findBotocore } from '../generator/botocore.ts';
import { generate, sourceVersions } from '../generator/generate.ts';
import { loadModel, SERVICES } from '../src/model.ts';

const committed = fileURLToPath(new URL('../models/', import.meta.url));
const botocore = findBotocore();

/** Other versions of the sources make other models: then there is nothing to compare. */
function reasonToSkip(): string | false {
  if (botocore === undefined) return BOTOCORE_MISSING;
  const made = readFileSync(join(committed, 'sources.json'), 'utf8');
  const here = sourceVersions(botocore);
  return (
    JSON.stringify(JSON.parse(made)) !== JSON.stringify(here) &&
    `the sources here are others: ${JSON.stringify(here)}`
  );
}

test('the committed models are what the generator writes', {
  skip: reasonToSkip(),
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
    assert.ok(names.length > 0);
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
