/** The process that drives machines is killed at any moment: nothing is lost, started twice or left behind. Needs root. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { findCgroupHost, listCgroups } from '../../packages/linux/src/compute/cgroups.ts';
import { buildBaseImage, linuxCompute, missingForCompute } from '../../packages/linux/src/compute/index.ts';
import { hostLayout } from '../../packages/linux/src/layout.ts';
import { volumePaths } from '../../packages/linux/src/volumes/index.ts';
import { findLoops } from '../../packages/linux/src/volumes/loop.ts';
import { seededRandom } from '../../packages/region/src/clock.ts';
import type { MachineSpec, MachineVolume } from '../../packages/region/src/drivers/compute.ts';
import { becomes } from '../support/instances.ts';
import { stateDirectoryOf } from '../support/region.ts';
import { computeHost } from './compute-host.ts';

const missing = missingForCompute();
const skip = missing.length > 0 && `this machine lacks ${missing.map(({ what }) => what).join(', ')}`;
const stateDirectory = stateDirectoryOf('hcx');
const layout = hostLayout({ prefix: 'hcx', stateDirectory });
const host = computeHost(layout);
const rounds = 8;
const seed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);

describe('a driver that is killed', { skip }, () => {
  let layers: readonly string[];

  before(async () => {
    await host.removeAll();
    ({ layers } = await buildBaseImage(layout));
  });
  after(() => host.removeAll());

  /** Runs the child and kills it after `afterMs`; returns the boot it was last told to bring about. */
  async function killedAfter(afterMs: number, machine: MachineSpec, data: MachineVolume): Promise<number> {
    const child = fork(join(import.meta.dirname, 'compute-crash-child.ts'), [
      JSON.stringify({ layout, machine, data }),
    ]);
    // What it has said may still be on its way when it has ended; behind the last word its channel is closed.
    const ended = ['exit', 'disconnect'].map((event) => new Promise((resolve) => child.once(event, resolve)));
    let boot = machine.boot;
    await new Promise((resolve) => child.once('message', resolve));
    child.on('message', (message: { boot: number }) => {
      boot = message.boot;
    });
    await delay(afterMs);
    child.kill('SIGKILL');
    await Promise.all(ended);
    return boot;
  }

  const leftovers = (): object => ({
    mounts: readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(layout.runDirectory)),
    cgroups: listCgroups(findCgroupHost()!, layout),
    containers: existsSync(join(layout.runDirectory, 'runc'))
      ? readdirSync(join(layout.runDirectory, 'runc'))
      : [],
    records: readdirSync(join(stateDirectory, 'machines')),
    loops: findLoops(volumePaths(layout).pool),
  });
  const nothing = { mounts: [], cgroups: [], containers: [], records: [], loops: [] };

  test('leaves what the next one finishes', { timeout: 120_000 }, async (t) => {
    t.diagnostic(`HOLDFAST_SEED=${seed}`);
    const random = seededRandom(seed);
    for (let round = 0; round < rounds; round++) {
      const id = `i-${round}`;
      let boots = 0;
      const namespace = await host.makeNamespace(id, { onBoot: () => boots++ });
      const limits = { vcpus: 1, memoryBytes: 512 * 1_048_576 };
      const machine: MachineSpec = {
        ...{
          id,
          namespace,
          hostname: id,
          layers,
          volumes: [await host.rootVolume(id)],
          ...limits,
          init: 'systemd',
          power: 'on',
          boot: 1,
        },
        shutdownTimeoutMs: 500,
      };
      const data: MachineVolume = { volumeId: `vol-d-${round}`, device: '/dev/sdf', role: 'data' };
      await host.volumes.ensure({ id: data.volumeId, sizeBytes: 2 ** 30, origin: { kind: 'empty' } });
      const boot = await killedAfter(random.below(1_200), machine, data);
      const driver = linuxCompute(layout);
      try {
        const found = await driver.list();
        assert.ok(found.length <= 1 && (found[0]?.boot ?? 0) <= boot, JSON.stringify({ found, boot }));
        const now = await driver.ensure({ ...machine, boot });
        assert.equal(now.boot, boot);
        assert.notEqual(now.end?.how, 'failed', now.end?.detail);
        const next = await driver.ensure({ ...machine, boot: boot + 1 });
        assert.equal(next.state, 'running');
        // Whatever became of the data volume, it can be put in, and taken out, as if nothing had been.
        for (const volumes of [[data], []]) {
          const status = await driver.ensure({
            ...machine,
            boot: boot + 1,
            volumes: [...(machine.volumes ?? []), ...volumes],
          });
          assert.deepEqual(
            status.volumes?.map(({ volumeId }) => volumeId).toSorted(),
            [`vol-${id}`, ...volumes.map(({ volumeId }) => volumeId)].toSorted(),
          );
        }
        await driver.remove(id);
        // Devices go with the last process, a moment behind its end.
        await becomes(leftovers, nothing);
        await host.removeVolumes();
        assert.ok(boots <= boot + 1, `${boots} boots of ${boot + 1}`);
      } finally {
        driver.close();
      }
    }
  });
});
