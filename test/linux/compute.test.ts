/** Machines that really run on this host. Needs root, and the base image (built by the first test that needs it). */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { buildBaseImage, linuxCompute, missingForCompute } from '../../packages/linux/src/compute/index.ts';
import { startEdge } from '../../packages/linux/src/edge/index.ts';
import { hostLayout } from '../../packages/linux/src/layout.ts';
import { type ComputeUnderTest, computeContract } from '../../packages/region/test/contracts/compute.ts';
import { stateDirectoryOf } from '../support/region.ts';
import { computeHost } from './compute-host.ts';

const missing = missingForCompute();
const skip = missing.length > 0 && `this machine lacks ${missing.map(({ what }) => what).join(', ')}`;
const layout = hostLayout({ prefix: 'hcc', stateDirectory: stateDirectoryOf('hcc') });
const host = computeHost(layout);

async function make(): Promise<ComputeUnderTest> {
  await host.clear();
  let driver = linuxCompute(layout);
  const say = async (id: string, command: string): Promise<void> => {
    // The command may end with the machine it ends, so its exit code says nothing.
    await driver.exec(id, ['/bin/sh', '-c', command], { stdio: 'ignore' });
  };
  return {
    driver,
    makeNamespace: (id) => host.makeNamespace(id),
    async makeVolume(id, role) {
      await host.volumes.ensure({
        id,
        sizeBytes: 2 ** 30,
        origin: { kind: role === 'root' ? 'root' : 'empty' },
      });
    },
    async mount(id, { device }, mounted) {
      const script = mounted ? `mkfs.ext4 -q ${device} && mkdir -p /d && mount ${device} /d` : 'umount /d';
      assert.equal(await driver.exec(id, ['/bin/sh', '-c', script], { stdio: 'ignore' }), 0, script);
    },
    async end(id, how) {
      const status = await driver.status(id);
      if (how === 'killed') process.kill(status!.initPid!, 'SIGKILL');
      else await say(id, `until systemctl --no-block ${how}; do sleep 0.1; done`);
    },
    async hang(id, hung) {
      process.kill((await driver.status(id))!.initPid!, hung ? 'SIGSTOP' : 'SIGCONT');
      // A signal is delivered in its own time.
      const until = performance.now() + 30_000;
      while ((await driver.responds(id)) === hung)
        assert.ok(performance.now() < until, 'the signal took no effect');
    },
    async reopen() {
      driver.close();
      driver = linuxCompute(layout);
      return driver;
    },
    async dispose() {
      driver.close();
      await host.clear();
    },
  };
}

describe('compute on this machine', { skip }, () => {
  before(async () => {
    await host.removeAll();
    await buildBaseImage(layout);
    await startEdge(layout, { hostsFile: false, frontDoorAddresses: [] });
  });
  after(() => host.removeAll());

  computeContract('linux', make);
});
