/** From the start of `holdfast control` to its first API answer, with the image cached: 10 starts on the real drivers. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const PORT = 4793;
const asRoot = process.getuid?.() === 0;

function answered(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(PORT, '127.0.0.1');
    const body = 'Action=DescribeVpcs&Version=2016-11-15';
    socket.on('connect', () => {
      socket.write(
        `POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: ${body.length}\r\nx-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=${'0'.repeat(64)}\r\n\r\n${body}`,
      );
    });
    socket.on('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString().startsWith('HTTP/1.1 200'));
    });
    socket.on('error', () => resolve(false));
  });
}

const times: number[] = [];
for (let round = 0; round < 10; round += 1) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const env = {
    ...process.env,
    HOLDFAST_STATE_DIRECTORY: folder,
    HOLDFAST_PREFIX: 'hfbs',
    HOLDFAST_PUBLIC_CIDR: '198.19.240.0/23',
  };
  const driver = asRoot ? 'linux' : 'sim';
  const startedAt = performance.now();
  const main = ['packages/holdfast/src/main.ts', 'control', '--driver', driver, '--port', String(PORT)];
  const child = spawn(process.execPath, main, { cwd: root, env, stdio: 'ignore' });
  while (!(await answered())) {
    if (child.exitCode !== null) throw new Error(`control ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  times.push(performance.now() - startedAt);
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('close', resolve));
  const down = spawn(process.execPath, ['packages/holdfast/src/main.ts', 'down'], {
    cwd: root,
    env,
    stdio: 'ignore',
  });
  await new Promise((resolve) => down.once('close', resolve));
  rmSync(folder, { recursive: true, force: true });
}
const sorted = times.toSorted((a, b) => a - b);
const at = (share: number): string => `${sorted[Math.floor((sorted.length - 1) * share)]?.toFixed(0)} ms`;
console.log(
  `process start → first API answer (${asRoot ? 'linux' : 'sim'} driver): p50 ${at(0.5)}, min ${at(0)}, max ${at(1)}; limit 700 ms`,
);
