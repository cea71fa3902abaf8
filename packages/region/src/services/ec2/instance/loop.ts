/**
 * The loop `ec2.instance`. Wanted: for each instance its machine on, off or gone, in the boot that was asked for, with its
 * network in force and its metadata published before it boots. Observed: the machine as the compute driver finds it.
 * Woken by: the instance, its interfaces, its volumes, images that wait for its disk, its VPC coming into force, its host, faults of
 * it, a machine's end; and by machines and published records that exist for no instance, which are removed.
 */
import type { MachineSpec, MachineStatus } from '../../../drivers/compute.ts';
import type { ReconcileResult, Reconciler } from '../../../reconcile/reconciler.ts';
import type { Resource, ResourceKey } from '../../../store/resource.ts';
import { type LoopContext, loopScope } from '../../common/service.ts';
import { type Fault, faults } from '../fault/fault.ts';
import { isHit, isHostFailed } from '../fault/impairment.ts';
import { type ImageRecord, images } from '../image/image.ts';
import { instanceTypes } from '../instance-types.ts';
import { privateDnsName } from '../network/dns-name.ts';
import {
  deleteInterface,
  detachInterface,
  interfacesOfEndpoint,
  isInForce,
  unassignPublicAddress,
} from '../network/index.ts';
import {
  hosts,
  type Instance,
  type InstanceStatus,
  instances,
  type NetworkInterface,
  networkInterfaces,
  vpcs,
} from '../records.ts';
import { instanceStores } from '../volume/instance-store.ts';
import { type VolumeAttachmentRecord, volumeAttachments, volumes } from '../volume/volume.ts';
import { isHeld } from './frozen.ts';
import {
  instanceOfVolume,
  machineVolumes,
  recordAttachments,
  releaseVolumes,
  volumesDiffer,
  volumesForBoot,
} from './machine-volumes.ts';
import { NOT_APPLICABLE, type Plan, planInstance, TERMINATE_TIMEOUT_MS, wantedBoot } from './plan.ts';
import { instancePublisher } from './publisher.ts';
import { stateOf } from './state.ts';

/** Volumes that a machine did not get or give up are looked at again, should nobody say that it has. */
const LOOK_AGAIN_MS = 5_000;

const keyOfInstance = (region: string, id: string): ResourceKey => ({ kind: instances.kind, region, id });

export function instanceLoop(context: LoopContext): Reconciler {
  const { store, drivers, clock, settings } = context;
  const publisher = instancePublisher(context);
  /** Whether each running machine is frozen, as this process last said it, by id and boot. */
  const frozen = new Map<string, { readonly boot: number; readonly frozen: boolean }>();

  const keyOfMachine = (id: string): ResourceKey => {
    const known = store.everywhere(instances).find((instance) => instance.id === id);
    return keyOfInstance(known?.region ?? 'global', id);
  };

  /** Writes parts of the status; what else stands in it may have changed since it was read. */
  const write = (key: ResourceKey, status: Partial<InstanceStatus>): void =>
    store.transaction((tx) => {
      const current = tx.get(instances, key.region, key.id);
      if (current) tx.update(current, { status: { ...current.status, ...status } });
    });

  const machineSpec = (instance: Instance, power: MachineSpec['power'], timeoutMs: number): MachineSpec => {
    const { id, region, spec } = instance;
    const type = instanceTypes.get(spec.instanceType);
    if (!type) throw new Error(`the instance ${id} has the unknown type ${spec.instanceType}`);
    const primary = interfacesOfEndpoint(store, region, id)[0];
    return {
      id,
      namespace: id,
      hostname: primary ? hostName(region, primary.spec.privateAddress) : id,
      ...machineVolumes(store, instance),
      vcpus: type.vcpus,
      memoryBytes: type.memoryMib * 2 ** 20,
      init: spec.init,
      power,
      boot: wantedBoot(instance),
      shutdownTimeoutMs: timeoutMs,
    };
  };

  const plan = (instance: Instance, machine: MachineStatus | undefined, differ: boolean): Plan => {
    const { region, id, spec } = instance;
    const attached = interfacesOfEndpoint(store, region, id);
    return planInstance({
      instance,
      machine,
      inForce: attached.every((one) => isInForce(store, spec.vpcId, region, one.revision)),
      imaged: store.list(images, region).some((image) => waitsForDisk(image, instance)),
      hostFailed: isHostFailed(store, instance),
      volumes: volumesForBoot(store, instance),
      volumesDiffer: differ && volumesDiffer(store, instance, machine),
      canShutDown: canShutDown(instance, machine),
      now: clock.now(),
      terminatedVisibleMs: settings.terminatedVisibleMs,
    });
  };

  const canShutDown = (instance: Instance, machine: MachineStatus | undefined): boolean => {
    const { spec } = instance;
    if (isHostFailed(store, instance)) return false;
    if (machine && spec.recoveredBoot !== undefined && machine.boot < spec.recoveredBoot) return false;
    return !machine || !isHit(store, instance, 'hung', machine.boot);
  };

  /** Makes a running machine suffer what its host and the faults of it say. */
  const suffer = async (instance: Instance, machine: MachineStatus | undefined): Promise<void> => {
    const { id } = instance;
    if (machine?.state !== 'running') {
      frozen.delete(id);
      return;
    }
    const wanted = isHostFailed(store, instance) || isHit(store, instance, 'hung', machine.boot);
    const last = frozen.get(id);
    const known = last?.boot === machine.boot ? last.frozen : undefined;
    // What a recovery left behind on a failed host does not come to life again before it is killed.
    const leftBehind = !canShutDown(instance, machine);
    if (known !== wanted && (wanted || !(leftBehind || isHeld(drivers.compute, id)))) {
      frozen.delete(id);
      await drivers.compute.freeze(id, wanted);
      frozen.set(id, { boot: machine.boot, frozen: wanted });
    }
    if (isHit(store, instance, 'dead', machine.boot)) await drivers.compute.crash(id, machine.boot);
  };

  const boot = async (instance: Instance, wanted: number, timeoutMs: number): Promise<MachineStatus> => {
    for (const disk of instanceStores(instance)) await drivers.volumes.ensure(disk);
    const machine = await drivers.compute.ensure(machineSpec(instance, 'on', timeoutMs));
    if (machine.boot < wanted) {
      throw new Error(`the machine ${instance.id} is in boot ${machine.boot}, not ${wanted}`);
    }
    return machine;
  };

  const settle = async (instance: Instance, machine: MachineStatus | undefined): Promise<void> => {
    for (const { id } of instanceStores(instance)) await drivers.volumes.remove(id);
    store.transaction((tx) => {
      const current = tx.get(instances, instance.region, instance.id);
      if (!current) return;
      const scope = loopScope(context, tx, instance.region);
      // Started again meanwhile: the address is the new boot's.
      if (current.spec.boot === instance.spec.boot && current.spec.wanted !== 'terminated') {
        for (const { id } of interfacesOfEndpoint(tx, instance.region, instance.id))
          unassignPublicAddress(scope, id);
      }
      const status = { ...current.status, state: 'stopped', checks: NOT_APPLICABLE } as const;
      tx.update(current, { status: { ...status, ...(machine && { machine }) } });
    });
  };

  const tearDown = async (instance: Instance, machine: MachineStatus | undefined): Promise<void> => {
    const { region, id } = instance;
    if (machine?.state === 'running') {
      const orderly = !instance.spec.force && canShutDown(instance, machine);
      await drivers.compute.ensure(machineSpec(instance, 'off', orderly ? TERMINATE_TIMEOUT_MS : 0));
    }
    await drivers.compute.remove(id);
    for (const disk of instanceStores(instance)) await drivers.volumes.remove(disk.id);
    frozen.delete(id);
    await publisher.withdraw(id);
    store.transaction((tx) => {
      const current = tx.get(instances, region, id);
      if (!current) return;
      const scope = loopScope(context, tx, region);
      for (const attached of interfacesOfEndpoint(tx, region, id)) {
        if (attached.spec.attachment?.deleteOnTermination) deleteInterface(scope, attached.id);
        else detachInterface(scope, attached.id);
      }
      releaseVolumes(scope, current);
      const { machine: _, ...status } = current.status;
      const terminatedAt = status.terminatedAt ?? clock.now();
      tx.update(current, {
        status: { ...status, state: 'terminated', checks: NOT_APPLICABLE, terminatedAt },
      });
    });
  };

  /** Steps until there is nothing to do; each starts from what is stored and found then. */
  const bringAbout = async (key: ResourceKey): Promise<ReconcileResult | undefined> => {
    let machine = await drivers.compute.status(key.id);
    // What a guest has mounted stays in its machine however often that is told to let it go: once is enough.
    let handed = false;
    for (;;) {
      const found = store.get(instances, key.region, key.id);
      if (!found) return removeOrphan(key);
      await suffer(found, machine);
      store.transaction((tx) => recordAttachments(tx, found, machine));
      const instance = store.get(instances, key.region, key.id) ?? found;
      const { status, step } = plan(instance, machine, !handed);
      if (Object.keys(status).length > 0) write(key, status);
      if (step.kind === 'volumes') {
        machine = await drivers.compute.ensure(machineSpec(instance, 'on', 0));
        handed = true;
      }
      if (step.kind === 'rest') {
        if (volumesDiffer(store, instance, machine)) return { requeueAfterMs: LOOK_AGAIN_MS };
        return step.requeueAfterMs === undefined ? undefined : { requeueAfterMs: step.requeueAfterMs };
      }
      if (step.kind === 'wait') {
        if (machine && step.for === 'image') write(key, { machine });
        return undefined;
      }
      if (step.kind === 'boot') machine = await boot(instance, step.boot, step.timeoutMs);
      if (step.kind === 'power-off') {
        machine = await drivers.compute.ensure(machineSpec(instance, 'off', step.timeoutMs));
      }
      if (step.kind === 'settle') await settle(instance, machine);
      if (step.kind === 'tear-down') {
        await tearDown(instance, machine);
        machine = undefined;
      }
      if (step.kind === 'forget') {
        store.transaction((tx) => tx.remove(key));
        return undefined;
      }
    }
  };

  const removeOrphan = async (key: ResourceKey): Promise<undefined> => {
    await drivers.compute.remove(key.id);
    await publisher.withdraw(key.id);
  };

  return {
    name: 'ec2.instance',

    keysFor(changed) {
      if (changed.kind === instances.kind) return [changed];
      if (changed.kind === networkInterfaces.kind) {
        const { attachment, vpcId } = (changed as NetworkInterface).spec;
        // One that was just detached names nobody any more; whoever had it has metadata to lose.
        if (!attachment) return runningIn(changed.region, vpcId);
        return attachment.instanceId === undefined
          ? []
          : [keyOfInstance(changed.region, attachment.instanceId)];
      }
      if (changed.kind === volumeAttachments.kind) {
        return [keyOfInstance(changed.region, (changed as VolumeAttachmentRecord).spec.instanceId)];
      }
      if (changed.kind === volumes.kind) {
        const id = instanceOfVolume(store, changed.region, changed.id);
        return id === undefined ? [] : [keyOfInstance(changed.region, id)];
      }
      if (changed.kind === images.kind) {
        const { instanceId } = (changed as ImageRecord).spec;
        return instanceId === undefined ? [] : [keyOfInstance(changed.region, instanceId)];
      }
      if (changed.kind === vpcs.kind) return waitingIn(changed);
      if (changed.kind === faults.kind) {
        const { target, targetId } = (changed as Fault).spec;
        return target === 'instance' ? [keyOfInstance(changed.region, targetId)] : [];
      }
      if (changed.kind === hosts.kind) {
        return store.list(instances, changed.region).filter(({ spec }) => spec.hostId === changed.id);
      }
      return [];
    },

    async found() {
      const machines = await drivers.compute.list();
      const published = await publisher.publishedInstances();
      const regions = new Map(store.everywhere(instances).map(({ id, region }) => [id, region]));
      const ids = new Set([...machines.map((machine) => machine.id), ...published]);
      return [...ids].map((id) => keyOfInstance(regions.get(id) ?? 'global', id));
    },

    watch: (wake) => drivers.compute.watch((id) => wake(keyOfMachine(id))),

    async reconcile(key) {
      const instance = store.get(instances, key.region, key.id);
      // A name that a watch gave before its region was known is looked up once more: nothing is removed by mistake.
      if (!instance) {
        const { region } = keyOfMachine(key.id);
        return region === 'global' ? removeOrphan(key) : bringAbout(keyOfInstance(region, key.id));
      }
      if (stateOf(instance) !== 'terminated' && stateOf(instance) !== 'shutting-down') {
        await publisher.publish(instance);
      }
      return bringAbout(key);
    },
  };

  function runningIn(region: string, vpcId: string): ResourceKey[] {
    return store
      .list(instances, region)
      .filter((instance) => instance.spec.vpcId === vpcId && stateOf(instance) === 'running');
  }

  /** Instances of a VPC whose boot may wait for it. */
  function waitingIn(vpc: Resource): ResourceKey[] {
    const due = (instance: Instance): boolean =>
      stateOf(instance) === 'pending' || instance.status.machine?.boot !== wantedBoot(instance);
    return store
      .list(instances, vpc.region)
      .filter(
        (instance) => instance.spec.vpcId === vpc.id && stateOf(instance) !== 'terminated' && due(instance),
      );
  }
}

/** Does this image wait for the instance's disk to be at rest, before the boot that comes next? */
const waitsForDisk = (image: ImageRecord, { id, spec }: Instance): boolean =>
  image.spec.instanceId === id &&
  image.status.state === 'pending' &&
  image.spec.beforeBoot !== undefined &&
  image.spec.beforeBoot <= spec.boot;

/** The first label of the private name. */
const hostName = (region: string, address: string): string =>
  privateDnsName(region, address).split('.')[0] ?? address;
