/**
 * Whatever order of calls: volumes, snapshots and machines are what a small model of AWS's rules says. No volume is in two
 * places, none is lost, none is left, and each holds what it should.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { AwsError } from '../src/services/common/errors.ts';
import { ec2World } from './ec2-world.ts';

const ZONES = ['us-west-2a', 'us-west-2b'];

interface Volume {
  readonly zone: string;
  contents: string;
  holder?: {
    readonly instance: string;
    readonly device: string;
    readonly root: boolean;
    goesWithIt: boolean;
    mounted: boolean;
    leaving: boolean;
  };
}

/** What should be, by AWS's rules. */
interface Model {
  readonly volumes: Map<string, Volume>;
  readonly snapshots: Map<string, string>;
  readonly instances: Map<string, { readonly zone: string; running: boolean }>;
}

type World = Awaited<ReturnType<typeof ec2World>>;

/** The code of AWS's refusal, or what the call answered. */
async function attempt(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof AwsError) return error.code;
    throw error;
  }
}

const pick = <K, V>(map: Map<K, V>, at: number): [K, V] | undefined =>
  map.size === 0 ? undefined : [...map][at % map.size];

/** An attachment that nothing holds up any more comes to its end. */
function settle(model: Model, volume: Volume): void {
  const { holder } = volume;
  if (!holder?.leaving) return;
  const running = model.instances.get(holder.instance)?.running === true;
  if (!running || !holder.mounted) delete volume.holder;
}

interface Step {
  readonly action: (typeof actions)[number];
  readonly a: number;
  readonly b: number;
}

const actions = [
  'create',
  'restore',
  'attach',
  'attach',
  'detach',
  'force',
  'mount',
  'delete',
  'snapshot',
  'forget',
  'launch',
  'stop',
  'start',
  'terminate',
  'write',
] as const;

class Story {
  readonly model: Model = { volumes: new Map(), snapshots: new Map(), instances: new Map() };
  readonly #world: World;
  #texts = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async take({ action, a, b }: Step): Promise<void> {
    await this[action](a, b);
    await this.#world.idle();
    for (const volume of this.model.volumes.values()) settle(this.model, volume);
  }

  async create(a: number): Promise<void> {
    const zone = ZONES[a % 2] ?? '';
    const { VolumeId } = await this.#world.call('CreateVolume', {
      AvailabilityZone: zone,
      Size: 1 + (a % 3),
    });
    this.model.volumes.set(VolumeId, { zone, contents: '' });
  }

  async restore(a: number, b: number): Promise<void> {
    const [SnapshotId, contents] = pick(this.model.snapshots, a) ?? [];
    if (SnapshotId === undefined || contents === undefined) return;
    const zone = ZONES[b % 2] ?? '';
    const { VolumeId } = await this.#world.call('CreateVolume', { AvailabilityZone: zone, SnapshotId });
    this.model.volumes.set(VolumeId, { zone, contents });
  }

  async attach(a: number, b: number): Promise<void> {
    const [VolumeId, volume] = pick(this.model.volumes, a) ?? [];
    const [InstanceId, instance] = pick(this.model.instances, b) ?? [];
    if (!VolumeId || !volume || !InstanceId || !instance) return;
    const Device = `/dev/sd${'fgh'[b % 3]}`;
    const taken = [...this.model.volumes.values()].some(
      ({ holder }) => holder?.instance === InstanceId && holder.device === Device,
    );
    const refusal = volume.holder
      ? 'VolumeInUse'
      : volume.zone !== instance.zone
        ? 'InvalidVolume.ZoneMismatch'
        : taken
          ? 'InvalidParameterValue'
          : undefined;
    const answer = await attempt(this.#world.call('AttachVolume', { VolumeId, InstanceId, Device }));
    assert.equal(typeof answer === 'string' ? answer : undefined, refusal, `attach ${VolumeId}`);
    if (refusal) return;
    volume.holder = {
      instance: InstanceId,
      device: Device,
      root: false,
      goesWithIt: false,
      mounted: false,
      leaving: false,
    };
  }

  async detach(a: number, _b: number, force = false): Promise<void> {
    const [VolumeId, volume] = pick(this.model.volumes, a) ?? [];
    if (!VolumeId || !volume) return;
    const { holder } = volume;
    const running = holder && this.model.instances.get(holder.instance)?.running;
    const refusal = !holder ? 'IncorrectState' : holder.root && running ? 'OperationNotPermitted' : undefined;
    const input = { VolumeId, Force: force };
    const answer = await attempt(this.#world.call('DetachVolume', input));
    assert.equal(typeof answer === 'string' ? answer : undefined, refusal, `detach ${VolumeId}`);
    if (refusal || !holder) return;
    holder.leaving = true;
    if (force) holder.mounted = false;
  }

  force(a: number, b: number): Promise<void> {
    return this.detach(a, b, true);
  }

  /** Mounts a data volume in its machine, or unmounts it. */
  async mount(a: number): Promise<void> {
    const [volumeId, volume] = pick(this.model.volumes, a) ?? [];
    const { holder } = volume ?? {};
    if (!volumeId || !holder || holder.root || !this.model.instances.get(holder.instance)?.running) return;
    // Nothing new is mounted of what is about to leave.
    holder.mounted = !holder.mounted && !holder.leaving;
    this.#world.drivers.compute.mount(holder.instance, volumeId, holder.mounted);
  }

  async delete(a: number): Promise<void> {
    const [VolumeId, volume] = pick(this.model.volumes, a) ?? [];
    if (!VolumeId || !volume) return;
    const answer = await attempt(this.#world.call('DeleteVolume', { VolumeId }));
    if (volume.holder) assert.equal(answer, 'VolumeInUse');
    else this.model.volumes.delete(VolumeId);
  }

  async snapshot(a: number): Promise<void> {
    const [VolumeId, volume] = pick(this.model.volumes, a) ?? [];
    if (!VolumeId || !volume) return;
    const { SnapshotId } = await this.#world.call('CreateSnapshot', { VolumeId });
    this.model.snapshots.set(SnapshotId, volume.contents);
    // What is written after the answer is not in it, though no loop has run yet.
    await this.write(a);
  }

  async forget(a: number): Promise<void> {
    const [SnapshotId] = pick(this.model.snapshots, a) ?? [];
    if (SnapshotId === undefined) return;
    await this.#world.call('DeleteSnapshot', { SnapshotId });
    this.model.snapshots.delete(SnapshotId);
  }

  async launch(a: number, b: number): Promise<void> {
    if (this.model.instances.size >= 4) return;
    const zone = ZONES[a % 2] ?? '';
    const goesWithIt = b % 2 === 0;
    const id = await this.#world.launchOne({
      Placement: { AvailabilityZone: zone },
      BlockDeviceMappings: [
        { DeviceName: '/dev/xvda', Ebs: { DeleteOnTermination: b % 3 > 0 } },
        { DeviceName: '/dev/sdb', Ebs: { VolumeSize: 1, DeleteOnTermination: goesWithIt } },
      ],
    });
    this.model.instances.set(id, { zone, running: true });
    for (const { DeviceName = '', Ebs } of (await this.#world.describe(id)).BlockDeviceMappings ?? []) {
      const root = DeviceName === '/dev/xvda';
      this.model.volumes.set(Ebs?.VolumeId ?? '', {
        zone,
        contents: '',
        holder: {
          instance: id,
          device: DeviceName,
          root,
          goesWithIt: root ? b % 3 > 0 : goesWithIt,
          mounted: false,
          leaving: false,
        },
      });
    }
  }

  async stop(a: number): Promise<void> {
    const [id, instance] = pick(this.model.instances, a) ?? [];
    if (!id || !instance) return;
    await this.#world.call('StopInstances', { InstanceIds: [id] });
    instance.running = false;
    for (const { holder } of this.model.volumes.values()) if (holder?.instance === id) holder.mounted = false;
  }

  async start(a: number): Promise<void> {
    const [id, instance] = pick(this.model.instances, a) ?? [];
    if (!id || !instance || instance.running) return;
    const hasRoot = [...this.model.volumes.values()].some(
      ({ holder }) => holder?.instance === id && holder.root && !holder.leaving,
    );
    const answer = await attempt(this.#world.call('StartInstances', { InstanceIds: [id] }));
    if (hasRoot) instance.running = true;
    else assert.equal(answer, 'InvalidParameterValue');
  }

  async terminate(a: number): Promise<void> {
    const [id] = pick(this.model.instances, a) ?? [];
    if (!id) return;
    await this.#world.call('TerminateInstances', { InstanceIds: [id] });
    this.model.instances.delete(id);
    for (const [volumeId, volume] of this.model.volumes) {
      if (volume.holder?.instance !== id) continue;
      if (volume.holder.goesWithIt && !volume.holder.leaving) this.model.volumes.delete(volumeId);
      else delete volume.holder;
    }
  }

  async write(a: number): Promise<void> {
    const [id, volume] = pick(this.model.volumes, a) ?? [];
    if (!id || !volume) return;
    await this.#world.idle();
    this.#texts += 1;
    volume.contents = `text ${this.#texts}`;
    this.#world.drivers.volumes.write(id, volume.contents);
  }

  /** The API, the disks and the machines say what the model says. */
  async check(): Promise<void> {
    const { call, drivers, errors } = this.#world;
    const { volumes, snapshots, instances } = this.model;
    const shown = new Map<string, string>(
      (await call('DescribeVolumes')).Volumes.map((one: { VolumeId: string; State: string }) => [
        one.VolumeId,
        one.State,
      ]),
    );
    assert.deepEqual(
      [...shown].toSorted(),
      [...volumes].map(([id, { holder }]) => [id, holder ? 'in-use' : 'available']).toSorted(),
    );
    const disks = (await drivers.volumes.list()).map(({ id }) => id);
    assert.deepEqual(disks.toSorted(), [...volumes.keys()].toSorted());
    for (const [id, { contents }] of volumes) assert.equal(drivers.volumes.read(id), contents, id);
    const data = (await drivers.volumes.listSnapshots()).map(({ id }) => id);
    assert.deepEqual(data.toSorted(), [...snapshots.keys()].toSorted());
    const held = (await drivers.compute.list())
      .filter(({ state }) => state === 'running')
      .flatMap(({ id, volumes: has = [] }) => has.map(({ volumeId, busy }) => `${id} ${volumeId} ${busy}`));
    const wanted = [...volumes].flatMap(([id, { holder }]) =>
      holder && instances.get(holder.instance)?.running ? [`${holder.instance} ${id} ${holder.leaving}`] : [],
    );
    assert.deepEqual(held.toSorted(), wanted.toSorted());
    assert.deepEqual(errors, []);
  }

  /** Takes everything away; nothing is left. */
  async end(): Promise<void> {
    for (let left = this.model.instances.size; left > 0; left -= 1)
      await this.take({ action: 'terminate', a: 0, b: 0 });
    for (let left = this.model.volumes.size; left > 0; left -= 1)
      await this.take({ action: 'delete', a: 0, b: 0 });
    for (let left = this.model.snapshots.size; left > 0; left -= 1)
      await this.take({ action: 'forget', a: 0, b: 0 });
    await this.check();
    assert.equal(this.model.volumes.size + this.model.snapshots.size, 0);
  }
}

it('keeps every volume in one place, whatever is asked for in whatever order', async () => {
  const seed = Number(process.env.SEED ?? 20_261_121);
  const step = fc.record<Step>({
    action: fc.constantFrom(...actions),
    a: fc.nat(1000),
    b: fc.nat(1000),
  });
  const steps = fc.array(step, { minLength: 20, maxLength: 60 });
  console.log(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      const world = await ec2World();
      const story = new Story(world);
      await story.take({ action: 'launch', a: 0, b: 1 });
      for (const one of taken) {
        await story.take(one);
        await story.check();
      }
      await story.end();
      await world.region.stop();
    }),
    { seed, numRuns: Number(process.env.RUNS ?? 60) },
  );
});
