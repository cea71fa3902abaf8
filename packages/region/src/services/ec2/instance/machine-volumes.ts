/** What volumes an instance's machine is to have, what it has, and what that says of their attachments. */
import type { MachineSpec, MachineStatus, MachineVolume } from '../../../drivers/compute.ts';
import type { Reader, Transaction } from '../../../store/store.ts';
import type { Scope } from '../../common/service.ts';
import type { Instance } from '../records.ts';
import { machineDevice } from '../volume/attach.ts';
import { wantDeleted } from '../volume/create.ts';
import { storeVolumes } from '../volume/instance-store.ts';
import {
  attachmentsOf,
  type VolumeAttachmentRecord,
  type VolumeAttachmentStatus,
  type VolumeRecord,
  volumeAttachments,
  volumes,
} from '../volume/volume.ts';

type Held = Pick<Instance, 'region' | 'id' | 'spec'>;

interface Attached {
  readonly attachment: VolumeAttachmentRecord;
  readonly volume: VolumeRecord;
}

function attachedTo(reader: Reader, { region, id }: Held): Attached[] {
  return attachmentsOf(reader, region, id).flatMap((attachment) => {
    const volume = reader.get(volumes, region, attachment.id);
    return volume ? [{ attachment, volume }] : [];
  });
}

/** As the compute driver is told it. A volume that is not made yet is not named yet. */
export function machineVolumes(
  reader: Reader,
  instance: Held,
): Pick<MachineSpec, 'layers' | 'volumes' | 'forceDetach'> {
  const all = attachedTo(reader, instance);
  const root = all.find(({ attachment }) => attachment.spec.role === 'root');
  return {
    layers: root?.volume.spec.rootLayers ?? instance.spec.layers,
    volumes: withStores(
      all
        .filter(({ attachment }) => attachment.spec.wanted === 'attached')
        .filter(({ volume }) => volume.status.state === 'available')
        .map(({ attachment }) => ({
          volumeId: attachment.id,
          device: machineDevice(attachment),
          role: attachment.spec.role,
        })),
      storeVolumes(instance),
    ),
    forceDetach: all
      .filter(({ attachment }) => attachment.spec.wanted === 'detached' && attachment.spec.force)
      .map(({ attachment }) => attachment.id),
  };
}

/** The disks of its host come right behind the root. */
const withStores = (ebs: readonly MachineVolume[], stores: readonly MachineVolume[]): MachineVolume[] => [
  ...ebs.filter(({ role }) => role === 'root'),
  ...stores,
  ...ebs.filter(({ role }) => role === 'data'),
];

export type VolumesForBoot =
  | { readonly kind: 'ready' }
  /** Some are still being made. */
  | { readonly kind: 'waiting' }
  /** One could not be made. */
  | { readonly kind: 'failed'; readonly detail: string };

export function volumesForBoot(reader: Reader, instance: Held): VolumesForBoot {
  const wanted = attachedTo(reader, instance).filter(
    ({ attachment }) => attachment.spec.wanted === 'attached',
  );
  const failed = wanted.find(({ volume }) => volume.status.state === 'error');
  if (failed) {
    const { id, status } = failed.volume;
    return { kind: 'failed', detail: `the volume ${id} could not be made: ${status.message ?? ''}` };
  }
  return { kind: wanted.every(({ volume }) => volume.status.state === 'available') ? 'ready' : 'waiting' };
}

/** Has a running machine other data volumes than it is to have? Its root is the same for as long as a boot lasts. */
export function volumesDiffer(reader: Reader, instance: Held, machine: MachineStatus | undefined): boolean {
  if (machine?.state !== 'running') return false;
  const has = new Set(machine.volumes?.map(({ volumeId }) => volumeId));
  const wanted = machineVolumes(reader, instance).volumes ?? [];
  const ids = new Set(wanted.map(({ volumeId }) => volumeId));
  const missing = wanted.some(({ volumeId, role }) => role === 'data' && !has.has(volumeId));
  return missing || [...has].some((volumeId) => !ids.has(volumeId));
}

/** What an attachment is, by what the machine has; undefined: the machine has it no more, and it goes. */
function observed(
  { id, spec, status }: VolumeAttachmentRecord,
  instance: Instance,
  machine: MachineStatus | undefined,
): VolumeAttachmentStatus | undefined {
  const running = machine?.state === 'running';
  const found = running ? machine.volumes?.find(({ volumeId }) => volumeId === id) : undefined;
  if (spec.wanted === 'detached') {
    if (!found) return undefined;
    return found.busy ? { state: 'busy' } : status;
  }
  // What is off has no devices: there, being attached is being wanted.
  const has = running ? found !== undefined || spec.role === 'root' : instance.status.state === 'stopped';
  return has ? { state: 'attached' } : status;
}

/** Writes what was seen of an instance's attachments. */
export function recordAttachments(
  tx: Transaction,
  instance: Instance,
  machine: MachineStatus | undefined,
): void {
  for (const attachment of attachmentsOf(tx, instance.region, instance.id)) {
    const status = observed(attachment, instance, machine);
    if (!status) tx.remove(attachment);
    else tx.update(attachment, { status });
  }
}

/** An instance is gone: the volumes that were to go with it do, the others are nobody's. */
export function releaseVolumes(scope: Scope, { region, id }: Held): void {
  for (const { attachment, volume } of attachedTo(scope.tx, { region, id } as Held)) {
    scope.tx.remove(attachment);
    const { deleteOnTermination, wanted } = attachment.spec;
    if (deleteOnTermination && wanted === 'attached') wantDeleted(scope, volume);
  }
}

/** Names the instance that an attachment, or the volume of one, concerns. */
export const instanceOfVolume = (reader: Reader, region: string, volumeId: string): string | undefined =>
  reader.get(volumeAttachments, region, volumeId)?.spec.instanceId;
