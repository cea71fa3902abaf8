/** The house rules that a machine can hold: who imports whom, who may know the time, how long a file may get. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const sources = (pattern: string): string[] => globSync(pattern, { cwd: root }).sort();

/** What each package's sources may import of the others; `types` only with `import type`. */
const allowed: Record<string, { values: readonly string[]; types: readonly string[] }> = {
  wire: { values: [], types: [] },
  region: { values: [], types: ['wire'] },
  linux: { values: ['region'], types: [] },
  holdfast: { values: ['wire', 'region', 'linux'], types: [] },
};

test('imports run one way: holdfast → linux → region, holdfast → wire', () => {
  for (const [name, may] of Object.entries(allowed)) {
    for (const file of sources(`packages/${name}/src/**/*.ts`)) {
      for (const [, typeOnly, other = ''] of read(file).matchAll(
        /^(?:import|export) (type )?[^;]*?from '@holdfast\/(\w+)/gm,
      )) {
        const fine =
          other === name ||
          may.values.includes(other) ||
          (typeOnly !== undefined && may.types.includes(other));
        assert(fine, `${file} imports ${other}`);
      }
    }
  }
});

test('the region takes the SDK’s types and nothing else of it', () => {
  for (const file of sources('packages/region/src/**/*.ts')) {
    for (const line of read(file).matchAll(/^import (?!type )[^;]*?from '(@aws-sdk\/[^']*)'/gm)) {
      assert.fail(`${file} imports ${line[1]}`);
    }
  }
});

test('in the region, time and chance come from the clock only', () => {
  const forbidden =
    /\bDate\.now\(|\bnew Date\(\)|\bsetTimeout\(|\bsetInterval\(|\bMath\.random\(|\brandomUUID\(|\bperformance\.now\(/;
  for (const file of sources('packages/region/src/**/*.ts')) {
    if (file.endsWith('src/clock.ts')) continue;
    const line = read(file)
      .split('\n')
      .findIndex((text) => forbidden.test(text) && !text.trimStart().startsWith('*'));
    assert.equal(line, -1, `${file}:${line + 1}`);
  }
});

test('a file is something a person reads in one go', () => {
  for (const file of sources('{packages/*/{src,test,generator},test,bench,scripts}/**/*.ts')) {
    const lines = read(file).split('\n').length;
    assert(lines <= 500, `${file} has ${lines} lines; split it along its meaning`);
  }
});

test('no two files put a region on the same addresses of this machine, nor under the same prefix', () => {
  const [cidrs, prefixes]: [string[], string[]] = [[], []];
  for (const file of sources('{test,bench}/**/*.ts')) {
    const ofFile = read(file).matchAll(
      /(?:prefix: |prefix = |volumeHost\(|makeHost\()'(\w+)'|'(198\.19\.\d+\.0\/\d+)'/g,
    );
    for (const [, prefix, cidr] of ofFile) {
      const list = cidr === undefined ? prefixes : cidrs;
      list.push(`${cidr ?? prefix} ${file}`);
    }
  }
  const ranges = cidrs.map((line) => {
    const [, third = '', size = '', file = ''] = /198\.19\.(\d+)\.0\/(\d+) (.*)/.exec(line) ?? [];
    return { line, file, first: Number(third), end: Number(third) + 2 ** (24 - Number(size)) };
  });
  assert(ranges.length > 10 && prefixes.length > 10, 'they are found');
  for (const one of ranges) {
    const other = ranges.find(
      (each) => each.file !== one.file && each.first < one.end && one.first < each.end,
    );
    assert.equal(other, undefined, `${one.line} and ${other?.line}`);
  }
  const files = new Map<string, string>();
  for (const line of prefixes) {
    const [prefix = '', file = ''] = line.split(' ');
    assert.equal(files.get(prefix) ?? file, file, `prefix ${prefix} in two files`);
    files.set(prefix, file);
  }
});
