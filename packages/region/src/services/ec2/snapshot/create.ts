/**
 * CreateSnapshot, CreateSnapshots, DeleteSnapshot. A snapshot is taken before its call is answered: what was written to the
 * volume before the call is in it, what is written after the answer is not. It is whole on this machine's disk by then.
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { SnapshotStatus as TakenSnapshot } from '../../../drivers/volume.ts';
import type { Tags } from '../../../store/resource.ts';
import type { Reader } from '../../../store/store.ts';
import { refuseParameters, unsupported } from '../../common/errors.ts';
import { newId } from '../../common/names.ts';
import { type PreparationContext, prepared, type RequestContext, type Scope } from '../../common/service.ts';
import { invalidParameterValue, required } from '../errors.ts';
import { isHit, isHostFailed } from '../fault/impairment.ts';
import { type ImageRecord, images } from '../image/image.ts';
import { whileFrozen } from '../instance/frozen.ts';
import { instanceOf } from '../instance/power.ts';
import { instances } from '../records.ts';
import { specifiedTags, tagList } from '../tags.ts';
import { incorrectState, snapshotInUse } from '../volume/errors.ts';
import {
  attachmentsOf,
  type VolumeRecord,
  volumeAttachments,
  volumeOf,
  volumeState,
  volumes,
} from '../volume/volume.ts';
import { shapeSnapshot } from './describe.ts';
import { type SnapshotRecord, snapshotOf, snapshots } from './snapshot.ts';

/** What was taken of which volume, and under which id. */
export interface Taken {
  readonly volumeId: string;
  readonly snapshotId: string;
  readonly taken: TakenSnapshot;
}

/** Is there anything of the volume that a snapshot could be taken of? */
const isThere = (volume: VolumeRecord | undefined): boolean =>
  volume?.status.state === 'available' && volume.spec.wanted === 'present';

type TakeContext = Pick<PreparationContext, 'store' | 'drivers'>;

/**
 * Takes a snapshot of each volume, of one moment: while it takes several of a running machine's, the machine is frozen.
 * Repeating it with the same ids changes nothing.
 */
export async function takeSnapshots(
  { store, drivers }: TakeContext,
  region: string,
  wanted: readonly { readonly volumeId: string; readonly snapshotId: string }[],
): Promise<Taken[]> {
  const take = () =>
    Promise.all(
      wanted.map(async ({ volumeId, snapshotId }): Promise<Taken> => {
        return { volumeId, snapshotId, taken: await drivers.volumes.snapshot(volumeId, snapshotId) };
      }),
    );
  const first = wanted[0] && store.get(volumeAttachments, region, wanted[0].volumeId);
  const instanceId = first?.spec.instanceId;
  if (wanted.length < 2 || instanceId === undefined) return take();
  return whileFrozen(drivers.compute, instanceId, () => isFrozenAnyway(store, region, instanceId), take);
}

/** Is its processor stopped for a reason of its own, a fault? */
function isFrozenAnyway(reader: Reader, region: string, instanceId: string): boolean {
  const instance = reader.get(instances, region, instanceId);
  const boot = instance?.status.machine?.boot;
  if (!instance || boot === undefined) return false;
  return isHostFailed(reader, instance) || isHit(reader, instance, 'hung', boot);
}

/** Takes them for a call that is not a dry run; the operation says what is wrong with those that are not there. */
export async function prepareSnapshots(
  context: PreparationContext,
  input: { readonly DryRun?: boolean | undefined },
  volumeIds: readonly string[],
): Promise<Taken[]> {
  if (input.DryRun) return [];
  const wanted = volumeIds
    .filter((id) => isThere(context.store.get(volumes, context.region, id)))
    .map((volumeId) => ({ volumeId, snapshotId: newId(context, 'snap') }));
  return takeSnapshots(context, context.region, wanted);
}

interface NewSnapshot {
  readonly volume: VolumeRecord;
  readonly description: string;
  readonly tags: Tags;
  /** Absent on a dry run, and when an image takes it later. */
  readonly taken: Taken | undefined;
  readonly later?: boolean;
}

/** A new snapshot, with what was taken for it. */
export function recordSnapshot(
  scope: Scope,
  { volume, description, tags, taken, later }: NewSnapshot,
): SnapshotRecord {
  const id = taken?.snapshotId ?? newId(scope, 'snap');
  const { rootLayers, sizeGib } = volume.spec;
  return scope.tx.create(snapshots, {
    region: scope.region,
    id,
    spec: {
      volumeId: volume.id,
      volumeSizeGib: sizeGib,
      description,
      contents: { kind: 'snapshot', snapshotId: id },
      taken: !later,
      ...(taken && { dataBytes: taken.taken.dataBytes }),
      ...(rootLayers && { rootLayers }),
    },
    status: { state: 'pending' },
    tags,
  });
}

/**
 * A volume that a snapshot was taken of just before, or could be, on a dry run. Throws `InvalidVolume.NotFound`, and
 * `IncorrectState` for one that is not there or was not when the call came.
 */
function snapshotable(
  scope: Scope,
  id: string | undefined,
  { DryRun }: { readonly DryRun?: boolean | undefined },
  taken: Taken | undefined,
): VolumeRecord {
  const volume = volumeOf(scope, id);
  if (!isThere(volume)) {
    const state = volumeState(volume, undefined);
    throw incorrectState(`The volume '${volume.id}' is in the '${state}' state.`);
  }
  if (!taken && !DryRun) throw incorrectState(`The volume '${volume.id}' was not ready for a snapshot yet.`);
  return volume;
}

export const createSnapshot = prepared(
  (input: ec2.CreateSnapshotRequest, context: PreparationContext) =>
    prepareSnapshots(context, input, input.VolumeId ? [input.VolumeId] : []),
  (input: ec2.CreateSnapshotRequest, context: RequestContext, [taken]): ec2.Snapshot => {
    refuseParameters('CreateSnapshot', input, ['OutpostArn']);
    if (input.Location === 'local') throw unsupported('local snapshots');
    const snapshot = recordSnapshot(context, {
      volume: snapshotable(context, input.VolumeId, input, taken),
      description: input.Description ?? '',
      tags: specifiedTags(input.TagSpecifications, 'snapshot'),
      taken,
    });
    return shapeSnapshot(context.settings.accountId, snapshot);
  },
);

/** The volumes of an instance that the call means. */
function volumesOfInstance(
  reader: Reader,
  region: string,
  specification: ec2.InstanceSpecification | undefined,
): string[] {
  const excluded = new Set(specification?.ExcludeDataVolumeIds ?? []);
  return attachmentsOf(reader, region, specification?.InstanceId ?? '')
    .filter(({ spec }) => spec.wanted === 'attached')
    .filter(({ spec, id }) => (spec.role === 'root' ? !specification?.ExcludeBootVolume : !excluded.has(id)))
    .map(({ id }) => id);
}

function checkExcluded(
  context: RequestContext,
  { InstanceId, ExcludeDataVolumeIds }: ec2.InstanceSpecification,
) {
  const attached = attachmentsOf(context.tx, context.region, InstanceId ?? '');
  for (const id of ExcludeDataVolumeIds ?? []) {
    const found = attached.find((one) => one.id === id);
    if (found?.spec.role === 'data') continue;
    const why = found ? 'it is the root volume' : `it is not attached to ${InstanceId}`;
    throw invalidParameterValue(`The volume '${id}' cannot be excluded as a data volume: ${why}.`);
  }
}

export const createSnapshots = prepared(
  (input: ec2.CreateSnapshotsRequest, context: PreparationContext) =>
    prepareSnapshots(
      context,
      input,
      volumesOfInstance(context.store, context.region, input.InstanceSpecification),
    ),
  (input: ec2.CreateSnapshotsRequest, context: RequestContext, taken): ec2.CreateSnapshotsResult => {
    refuseParameters('CreateSnapshots', input, ['OutpostArn']);
    if (input.Location === 'local') throw unsupported('local snapshots');
    const specification = required(input.InstanceSpecification, 'InstanceSpecification');
    const instance = instanceOf(context, required(specification.InstanceId, 'InstanceId'));
    checkExcluded(context, specification);
    const tags = specifiedTags(input.TagSpecifications, 'snapshot');
    const byVolume = new Map(taken.map((one) => [one.volumeId, one]));
    const ids = volumesOfInstance(context.tx, context.region, specification);
    if (ids.length === 0) {
      throw invalidParameterValue(`The instance '${instance.id}' has no volume to take a snapshot of.`);
    }
    const made = ids.map((id) => {
      const volume = snapshotable(context, id, input, byVolume.get(id));
      const own = input.CopyTagsFromSource === 'volume' ? { ...volume.tags, ...tags } : tags;
      const description = input.Description ?? '';
      return recordSnapshot(context, { volume, description, tags: own, taken: byVolume.get(id) });
    });
    return {
      Snapshots: made.map((snapshot) => ({
        SnapshotId: snapshot.id,
        VolumeId: snapshot.spec.volumeId,
        VolumeSize: snapshot.spec.volumeSizeGib,
        Description: snapshot.spec.description,
        State: snapshot.status.state,
        Progress: '',
        StartTime: new Date(snapshot.createdAt),
        OwnerId: context.settings.accountId,
        Encrypted: false,
        Tags: tagList(snapshot.tags),
      })),
    };
  },
);

/** An image that stands on this snapshot. */
export const imageUsing = ({ tx, region }: Scope, snapshotId: string): ImageRecord | undefined =>
  tx.list(images, region).find(({ spec }) => spec.disks.some((disk) => disk.snapshotId === snapshotId));

/** An image stands on its snapshots: it must be deregistered before. Volumes that were made of it stay. */
export function deleteSnapshot(input: ec2.DeleteSnapshotRequest, context: RequestContext): object {
  const snapshot = snapshotOf(context, input.SnapshotId);
  const user = imageUsing(context, snapshot.id);
  if (user) throw snapshotInUse(snapshot.id, user.id);
  context.tx.remove(snapshot);
  return {};
}
