import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { withHostsBlock, writeHostsBlock } from '../src/edge/hosts-file.ts';

const entries = [{ name: 'lb.elb.localhost', addresses: ['198.18.0.1', '198.18.0.2'] }];
const block =
  '# holdfast hf begin\n198.18.0.1 lb.elb.localhost\n198.18.0.2 lb.elb.localhost\n# holdfast hf end';

test('the block comes, changes and goes, and every other byte stays', () => {
  for (const before of [
    '',
    '127.0.0.1 localhost\n',
    '127.0.0.1 localhost',
    '\n\n',
    '# \xff\r\n1.2.3.4 a\r\n',
  ]) {
    const written = withHostsBlock(before, 'hf', entries);
    assert.ok(written.includes(block));
    assert.equal(withHostsBlock(written, 'hf', entries), written);
    const fewer = withHostsBlock(written, 'hf', [{ name: 'b', addresses: ['198.18.0.9'] }]);
    assert.ok(fewer.includes('\n198.18.0.9 b\n') && !fewer.includes('lb.elb'));
    assert.equal(withHostsBlock(fewer, 'hf', []), before);
    assert.equal(withHostsBlock(before, 'hf', []), before);
  }
});

test('what others have written around the block meanwhile stays', () => {
  const written = withHostsBlock('127.0.0.1 localhost', 'hf', entries);
  assert.equal(
    withHostsBlock(`# first\n${written}\n# last\n`, 'hf', []),
    '# first\n127.0.0.1 localhost\n# last\n',
  );
});

test('two regions have a block each', () => {
  const both = withHostsBlock(withHostsBlock('a\n', 'hf', entries), 'hg', entries);
  assert.equal(withHostsBlock(both, 'hf', []), withHostsBlock('a\n', 'hg', entries));
});

test('nothing but host names and addresses gets in', () => {
  const evil = [
    { name: 'a\n1.2.3.4 bank', addresses: ['198.18.0.1'] },
    { name: 'b', addresses: ['198.18.0.1\n1.2.3.4 bank', '198.18.0.2'] },
  ];
  assert.equal(withHostsBlock('', 'hf', evil), '# holdfast hf begin\n198.18.0.2 b\n# holdfast hf end\n');
});

test('the file keeps its mode and its place behind a link, and nothing is left beside it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'edge-hosts-'));
  try {
    const file = join(directory, 'real');
    const link = join(directory, 'hosts');
    writeFileSync(file, 'a\n');
    chmodSync(file, 0o664);
    symlinkSync(file, link);
    const prefixes = ['ha', 'hb', 'hc', 'hd'];
    await Promise.all(prefixes.map((prefix) => writeHostsBlock(link, prefix, entries)));
    const text = readFileSync(file, 'utf8');
    for (const prefix of prefixes) assert.ok(text.includes(`# holdfast ${prefix} begin`), prefix);
    assert.equal(await writeHostsBlock(link, 'ha', entries), false);
    await Promise.all(prefixes.map((prefix) => writeHostsBlock(link, prefix, [])));
    assert.equal(readFileSync(link, 'utf8'), 'a\n');
    assert.equal(statSync(file).mode & 0o777, 0o664);
    assert.deepEqual(readdirSync(directory).sort(), ['hosts', 'real']);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
