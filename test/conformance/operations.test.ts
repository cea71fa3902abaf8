/** Every operation that the region serves is called by some test: by its name, by the SDK's command, or on the command line. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { absentOperations } from '@holdfast/region/services/ec2/network/absent.ts';
import { services } from '@holdfast/region/services/index.ts';

const root = join(import.meta.dirname, '../..');
const texts = globSync(['packages/*/test/**/*.ts', 'test/**/*.ts', 'examples/**/*.sh'], { cwd: root }).map(
  (file) => readFileSync(join(root, file), 'utf8'),
);

/** `DescribeVpcs` is `describe-vpcs` on the command line. */
const onTheCommandLine = (operation: string): string =>
  operation.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();

/** A story calls each of these by going through the table itself. */
const calledByTable = absentOperations;

for (const service of services) {
  test(`every operation of ${service.name} has a test`, () => {
    const untold = Object.keys(service.operations).filter((operation) => {
      if (Object.hasOwn(calledByTable, operation)) return false;
      const called = new RegExp(
        `['"]${operation}['"]|\\b${operation}Command\\b|\\b${onTheCommandLine(operation)}\\b`,
      );
      return !texts.some((text) => called.test(text));
    });
    assert.deepEqual(untold, []);
  });
}
