/**
 * Instance store: the disks of its host that an instance of some types has. They begin empty whenever the instance is
 * started or recovered, live over its reboots, and end when it stops. They are volumes of the volume driver without a
 * record: the instance's own says what there is to be.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-store-lifetime.html
 */
import type { MachineVolume } from '../../../drivers/compute.ts';
import type { VolumeSpec } from '../../../drivers/volume.ts';
import type { Store } from '../../../store/store.ts';
import { stateOf } from '../instance/state.ts';
import { instanceTypes } from '../instance-types.ts';
import { type Instance, instances } from '../records.ts';

const MIB = 2 ** 20;

export type HasStores = Pick<Instance, 'id' | 'spec'>;

/** What an instance has of its host since it was last started. */
export function instanceStores({ id, spec }: HasStores): VolumeSpec[] {
  const { count = 0, sizeGb = 0 } = instanceTypes.get(spec.instanceType)?.disks ?? {};
  const sizeBytes = Math.floor((sizeGb * 1e9) / MIB) * MIB;
  return Array.from({ length: count }, (_, index) => ({
    id: `${id}-ephemeral${index}-${spec.storesOfBoot ?? 1}`,
    sizeBytes,
    origin: { kind: 'empty' },
  }));
}

/** As its machine is told; the guest finds them as its next NVMe disks. */
export const storeVolumes = (instance: HasStores): MachineVolume[] =>
  instanceStores(instance).map(({ id }, index) => ({
    volumeId: id,
    device: `/dev/ephemeral${index}`,
    role: 'data',
  }));

/** The instance whose store a volume is or was. */
export const instanceOfStore = (volumeId: string): string | undefined =>
  /^(i-[0-9a-f]+)-ephemeral\d+-\d+$/.exec(volumeId)?.[1];

/** Stores that no instance has any more: it was stopped, started anew or is gone. */
export function isForgottenStore(store: Pick<Store, 'everywhere'>, volumeId: string): boolean {
  const instance = store.everywhere(instances).find(({ id }) => id === instanceOfStore(volumeId));
  if (!instance) return true;
  const state = stateOf(instance);
  const ended = state === 'stopped' || state === 'terminated';
  return ended || !instanceStores(instance).some(({ id }) => id === volumeId);
}
