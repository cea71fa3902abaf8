/** What every compute driver must do, whoever is behind it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ComputeDriver, MachineSpec, MachineStatus, MachineVolume } from '../../src/drivers/compute.ts';

export interface ComputeUnderTest {
  readonly driver: ComputeDriver;
  /** Makes the network namespace of a machine; returns its name. */
  makeNamespace(id: string): Promise<string>;
  /** Makes an empty volume, for a machine's root or for data. */
  makeVolume(id: string, role: 'root' | 'data'): Promise<void>;
  /** Mounts a data volume in a running machine, or unmounts it; it has a file system by then. */
  mount(id: string, volume: MachineVolume, mounted: boolean): Promise<void>;
  /** Ends a running machine from inside, or by a signal to its init. Resolves when that is under way. */
  end(id: string, how: 'poweroff' | 'reboot' | 'killed'): Promise<void>;
  /** Stops a running machine's processor, or lets it go on. */
  hang(id: string, hung: boolean): Promise<void>;
  /** Gives up the driver and opens another one on what is left, as after a restart of the region. */
  reopen?(): Promise<ComputeDriver>;
  dispose(): Promise<void>;
}

/** Resolves when `changed` names the machine; rejects after `withinMs`. */
function nextEnd(driver: ComputeDriver, id: string, withinMs = 60_000): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`the end of ${id} was not told within ${withinMs} ms`));
    }, withinMs);
    const stop = driver.watch((changed) => {
      if (changed !== id) return;
      clearTimeout(timer);
      stop();
      resolve();
    });
  });
}

interface Story extends ComputeUnderTest {
  /** A machine of the driver's first image, off, as wanted at first. */
  want(id: string): Promise<MachineSpec>;
}

const boot = (machine: MachineSpec, number: number): MachineSpec => ({
  ...machine,
  power: 'on',
  boot: number,
});
const off = (machine: MachineSpec): MachineSpec => ({ ...machine, power: 'off' });

/** Runs the suite against drivers that `make` gives, each without machines. */
export function computeContract(title: string, make: () => Promise<ComputeUnderTest>): void {
  const story = (name: string, tell: (under: Story) => Promise<void>): void => {
    test(name, async () => {
      const under = await make();
      const want = async (id: string): Promise<MachineSpec> => {
        const [image] = await under.driver.images();
        assert.ok(image, 'the driver comes with an image');
        const root = { volumeId: `vol-${id}`, device: '/dev/xvda', role: 'root' } as const;
        await under.makeVolume(root.volumeId, 'root');
        return {
          id,
          volumes: [root],
          namespace: await under.makeNamespace(id),
          hostname: 'ip-10-0-0-7',
          layers: image.layers,
          vcpus: 1,
          memoryBytes: 512 * 1_048_576,
          init: 'systemd',
          power: 'off',
          boot: 0,
          shutdownTimeoutMs: 15_000,
        };
      };
      try {
        await tell({ ...under, want });
      } finally {
        await under.dispose();
      }
    });
  };

  describe(`compute driver: ${title}`, () => {
    describe('a machine that is wanted', () => storiesOfBoots(story));
    describe('a machine that ends', () => storiesOfEnds(story));
    describe('a machine’s volumes', () => storiesOfVolumes(story));
    describe('what is left of a machine', () => storiesOfRemains(story));
  });
}

type Teller = (name: string, tell: (under: Story) => Promise<void>) => void;

function storiesOfBoots(story: Teller): void {
  story('has a disk before it is ever started', async ({ driver, want }) => {
    assert.equal(await driver.status('i-a'), undefined);
    assert.deepEqual(await driver.ensure(await want('i-a')), { id: 'i-a', state: 'stopped', boot: 0 });
    assert.deepEqual(await driver.list(), [{ id: 'i-a', state: 'stopped', boot: 0 }]);
    assert.equal(await driver.responds('i-a'), false);
    assert.equal(await driver.usage('i-a'), undefined);
  });

  story('is started once for each boot, however often that is said', async ({ driver, want }) => {
    const machine = await want('i-a');
    const [first, second] = await Promise.all([
      driver.ensure(boot(machine, 1)),
      driver.ensure(boot(machine, 1)),
    ]);
    assert.equal(first.state, 'running');
    assert.equal(first.boot, 1);
    assert.deepEqual(second, first);
    assert.deepEqual(await driver.ensure(boot(machine, 1)), first);
    assert.deepEqual(await driver.status('i-a'), first);
    assert.equal(await driver.responds('i-a'), true);
    const usage = await driver.usage('i-a');
    assert.ok(usage && usage.cpuNs >= 0 && usage.memoryBytes > 0);
  });

  story('is shut down and started anew by a later boot', async ({ driver, want }) => {
    const machine = await want('i-a');
    const first = await driver.ensure(boot(machine, 1));
    const second = await driver.ensure(boot(machine, 2));
    assert.equal(second.state, 'running');
    assert.equal(second.boot, 2);
    assert.ok(second.startedAt! >= first.startedAt!);
    if (first.initPid !== undefined) assert.notEqual(second.initPid, first.initPid);
    // What was said before the reboot and comes late changes nothing.
    assert.deepEqual(await driver.ensure(boot(machine, 1)), second);
  });

  story('stops when it is wanted off, and starts again with the next boot only', async ({ driver, want }) => {
    const machine = await want('i-a');
    await driver.ensure(boot(machine, 1));
    const stopped = await driver.ensure(off(boot(machine, 1)));
    assert.equal(stopped.state, 'stopped');
    assert.equal(stopped.end?.how, 'poweroff');
    assert.deepEqual(await driver.ensure(off(boot(machine, 1))), stopped);
    assert.deepEqual(await driver.ensure(boot(machine, 1)), stopped);
    assert.equal((await driver.ensure(boot(machine, 2))).state, 'running');
  });

  story('is killed at once when it gets no time to shut down', async ({ driver, want }) => {
    const machine = { ...(await want('i-a')), shutdownTimeoutMs: 0 };
    await driver.ensure(boot(machine, 1));
    const stopped = await driver.ensure(off(boot(machine, 1)));
    assert.equal(stopped.state, 'stopped');
    assert.equal(stopped.end?.how, 'poweroff');
  });

  story('that cannot be started has failed, and its boot is spent', async ({ driver, want }) => {
    const machine = { ...(await want('i-a')), layers: ['no-such-layer'] };
    const failed = await driver.ensure(boot(machine, 1));
    assert.equal(failed.state, 'stopped');
    assert.equal(failed.boot, 1);
    assert.equal(failed.end?.how, 'failed');
    assert.match(failed.end?.detail ?? '', /no-such-layer/);
    assert.deepEqual(await driver.ensure(boot(machine, 1)), failed);
  });
}

function storiesOfEnds(story: Teller): void {
  for (const how of ['poweroff', 'reboot', 'killed'] as const) {
    story(`by ${how} is told, and stays down until its next boot`, async ({ driver, want, end }) => {
      const machine = await want('i-a');
      await driver.ensure(boot(machine, 1));
      const told = nextEnd(driver, 'i-a');
      await end('i-a', how);
      await told;
      const ended = await driver.ensure(boot(machine, 1));
      assert.equal(ended.state, 'stopped');
      assert.equal(ended.boot, 1);
      assert.equal(ended.end?.how, how);
      assert.ok(ended.end.at >= ended.startedAt!);
      assert.equal((await driver.ensure(boot(machine, 2))).state, 'running');
    });
  }

  story('is told to everybody who watches, and to nobody who has stopped', async ({ driver, want, end }) => {
    const machine = await want('i-a');
    await driver.ensure(boot(machine, 1));
    let late = 0;
    driver.watch(() => late++)();
    const both = [nextEnd(driver, 'i-a'), nextEnd(driver, 'i-a')];
    await end('i-a', 'killed');
    await Promise.all(both);
    assert.equal(late, 0);
  });

  story('does not respond while its processor is stopped', async ({ driver, want, hang }) => {
    await driver.ensure(boot(await want('i-a'), 1));
    await hang('i-a', true);
    assert.equal(await driver.responds('i-a'), false);
    assert.equal((await driver.status('i-a'))?.state, 'running');
    await hang('i-a', false);
    assert.equal(await driver.responds('i-a'), true);
  });

  story('is frozen and goes on where it was', async ({ driver, want, reopen }) => {
    const machine = await want('i-a');
    await driver.freeze('i-a', true);
    await driver.ensure(off(machine));
    await driver.freeze('i-a', true);
    const running = await driver.ensure(boot(machine, 1));
    assert.equal(await driver.responds('i-a'), true, 'what does not run is not frozen');
    for (const frozen of [true, true, false, false]) {
      await driver.freeze('i-a', frozen);
      assert.equal(await driver.responds('i-a'), !frozen);
    }
    await driver.freeze('i-a', true);
    const next = (await reopen?.()) ?? driver;
    assert.deepEqual(await next.status('i-a'), running);
    assert.equal(await next.responds('i-a'), false, 'a restart does not let it go');
    const again = await next.ensure({ ...boot(machine, 2), shutdownTimeoutMs: 0 });
    assert.equal(again.state, 'running');
    assert.equal(await next.responds('i-a'), true, 'the next boot is not frozen');
    await next.remove('i-a');
  });

  story('is crashed in the boot that is meant, frozen or not', async ({ driver, want }) => {
    const machine = await want('i-a');
    await driver.crash('i-a', 1);
    await driver.ensure(boot(machine, 1));
    await driver.crash('i-a', 2);
    assert.equal((await driver.status('i-a'))?.state, 'running', 'another boot is left alone');
    await driver.freeze('i-a', true);
    const told = nextEnd(driver, 'i-a');
    await driver.crash('i-a', 1);
    await told;
    const ended = await driver.status('i-a');
    assert.equal(ended?.state, 'stopped');
    assert.equal(ended?.end?.how, 'killed');
    await driver.crash('i-a', 1);
  });

  story('is known, with its end, to a driver that comes later', async ({ driver, want, end, reopen }) => {
    if (!reopen) return;
    const [living, dying] = [await want('i-a'), await want('i-b')];
    const before = await Promise.all([driver.ensure(boot(living, 1)), driver.ensure(boot(dying, 1))]);
    const next = await reopen();
    const byId = (statuses: MachineStatus[]) => statuses.toSorted((a, b) => a.id.localeCompare(b.id));
    assert.deepEqual(byId(await next.list()), before);
    const told = nextEnd(next, 'i-b');
    await end('i-b', 'killed');
    await told;
    assert.equal((await next.status('i-b'))?.end?.how, 'killed');
    assert.deepEqual(await next.ensure(boot(living, 1)), before[0]);
  });
}

function storiesOfVolumes(story: Teller): void {
  const data: MachineVolume = { volumeId: 'vol-d', device: '/dev/sdf', role: 'data' };
  const having = (machine: MachineSpec, ...volumes: MachineVolume[]): MachineSpec =>
    boot({ ...machine, volumes: [...(machine.volumes ?? []), ...volumes] }, 1);
  /** Which it has, those that wait to be let go of with an exclamation mark. */
  const volumesOf = (status: MachineStatus | undefined): string[] =>
    (status?.volumes ?? []).map(({ volumeId, busy }) => (busy ? `${volumeId}!` : volumeId)).toSorted();

  story('are its own while it runs, and come and go', async ({ driver, want, makeVolume, reopen }) => {
    const machine = await want('i-a');
    await makeVolume('vol-d', 'data');
    assert.deepEqual(volumesOf(await driver.ensure(having(machine, data))), ['vol-d', 'vol-i-a']);
    assert.deepEqual(volumesOf(await driver.ensure(having(machine))), ['vol-i-a']);
    assert.deepEqual(volumesOf(await driver.ensure(having(machine, data))), ['vol-d', 'vol-i-a']);
    const next = (await reopen?.()) ?? driver;
    assert.deepEqual(volumesOf(await next.status('i-a')), ['vol-d', 'vol-i-a']);
    assert.deepEqual(volumesOf(await next.ensure(off(having(machine, data)))), []);
  });

  story('stay while the guest has them mounted, and leaving is told', async (under) => {
    const { driver, want, makeVolume, mount } = under;
    const machine = await want('i-a');
    await makeVolume('vol-d', 'data');
    await driver.ensure(having(machine, data));
    await mount('i-a', data, true);
    assert.deepEqual(volumesOf(await driver.ensure(having(machine))), ['vol-d!', 'vol-i-a']);
    assert.deepEqual(volumesOf(await driver.status('i-a')), ['vol-d!', 'vol-i-a']);
    const told = nextEnd(driver, 'i-a');
    await mount('i-a', data, false);
    await told;
    assert.deepEqual(volumesOf(await driver.ensure(having(machine))), ['vol-i-a']);
  });

  story('go by force, mounted or not', async ({ driver, want, makeVolume, mount }) => {
    const machine = await want('i-a');
    await makeVolume('vol-d', 'data');
    await driver.ensure(having(machine, data));
    await mount('i-a', data, true);
    const forced = await driver.ensure({ ...having(machine), forceDetach: ['vol-d'] });
    assert.deepEqual(volumesOf(forced), ['vol-i-a']);
    assert.equal(await driver.responds('i-a'), true);
  });
}

function storiesOfRemains(story: Teller): void {
  story('is nothing after its removal', async ({ driver, want }) => {
    const machine = await want('i-a');
    await driver.ensure(boot(machine, 1));
    await driver.remove('i-a');
    assert.equal(await driver.status('i-a'), undefined);
    assert.deepEqual(await driver.list(), []);
    assert.equal(await driver.console('i-a'), undefined);
    await driver.remove('i-a');
  });

  story('goes when its removal is asked for during its start', async ({ driver, want }) => {
    const machine = await want('i-a');
    const started = driver.ensure(boot(machine, 1));
    await Promise.all([started, driver.remove('i-a')]);
    assert.deepEqual(await driver.list(), []);
  });
}
