/** ModifyVolume: a volume that is to be larger or of another type, also while a machine has it. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import type { RequestContext } from '../../common/service.ts';
import { invalidParameterValue } from '../errors.ts';
import { select } from '../selection.ts';
import * as errors from './errors.ts';
import {
  attachmentOf,
  type VolumeRecord,
  type VolumeShape,
  volumeOf,
  volumeState,
  volumes,
} from './volume.ts';
import { checkVolumeType, performanceOf, shownPerformance, volumeShape } from './volume-type.ts';

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolume.html */
const MODIFICATIONS_A_DAY = 4;
const DAY_MS = 86_400_000;

type ModificationState = 'modifying' | 'optimizing' | 'completed';

/** How far the latest modification has come; undefined when there was none. */
export function modificationState({ spec, status }: VolumeRecord): ModificationState | undefined {
  if (!spec.modification) return undefined;
  const done =
    status.modification?.startedAt === spec.modification.startedAt ? status.modification : undefined;
  return done?.state ?? 'modifying';
}

const shapeOf = ({ spec }: VolumeRecord): VolumeShape => ({ sizeGib: spec.sizeGib, ...performanceOf(spec) });

/** The shape that is asked for: what is not said stays, or is what the new type has by itself. */
function targetShape(input: ec2.ModifyVolumeRequest, { spec }: VolumeRecord): VolumeShape {
  const volumeType = input.VolumeType ? checkVolumeType(input.VolumeType) : spec.volumeType;
  const same = volumeType === spec.volumeType;
  const sizeGib = input.Size ?? spec.sizeGib;
  if (sizeGib < spec.sizeGib) {
    throw invalidParameterValue('New size cannot be smaller than existing size');
  }
  const provisioned = volumeType === 'gp3' || volumeType === 'io1' || volumeType === 'io2';
  // A change to one of these types begins with 3,000, as the page says.
  const usualIops = provisioned ? (same ? spec.iops : 3000) : undefined;
  return volumeShape({
    sizeGib,
    volumeType,
    iops: input.Iops ?? usualIops,
    throughput: input.Throughput ?? (same ? spec.throughput : undefined),
  });
}

const shown = ({ volumeType, sizeGib, ...rest }: VolumeShape): ec2.VolumeModification => ({
  TargetSize: sizeGib,
  TargetVolumeType: volumeType,
  ...(({ Iops, Throughput }) => ({ TargetIops: Iops, TargetThroughput: Throughput }))(
    shownPerformance({ volumeType, sizeGib, ...rest }),
  ),
});

function shapeModification(volume: VolumeRecord): ec2.VolumeModification {
  const { modification } = volume.spec;
  const state = modificationState(volume);
  if (!modification || state === undefined) throw errors.modificationNotFound(volume.id);
  const { from, to, startedAt } = modification;
  const original = shownPerformance(from);
  const endedAt = state === 'completed' ? volume.status.modification?.endedAt : undefined;
  return {
    VolumeId: volume.id,
    ModificationState: state,
    ...shown(to),
    TargetMultiAttachEnabled: false,
    OriginalSize: from.sizeGib,
    OriginalVolumeType: from.volumeType,
    OriginalIops: original.Iops,
    OriginalThroughput: original.Throughput,
    OriginalMultiAttachEnabled: false,
    Progress: state === 'completed' ? 100 : 0,
    StartTime: new Date(startedAt),
    EndTime: endedAt === undefined ? undefined : new Date(endedAt),
  };
}

export function modifyVolume(
  input: ec2.ModifyVolumeRequest,
  context: RequestContext,
): ec2.ModifyVolumeResult {
  if (input.MultiAttachEnabled) throw unsupported('the parameter MultiAttachEnabled of ModifyVolume');
  const volume = volumeOf(context, input.VolumeId);
  const { spec } = volume;
  const state = volumeState(volume, attachmentOf(context.tx, context.region, volume.id));
  if (state !== 'available' && state !== 'in-use') {
    throw errors.incorrectState(`Volume '${volume.id}' is in the '${state}' state.`);
  }
  const to = targetShape(input, volume);
  const underWay = modificationState(volume);
  if (underWay !== undefined && underWay !== 'completed') {
    throw errors.modificationUnderWay(volume.id, underWay);
  }
  const recent = (spec.modifiedAt ?? []).filter((at) => at > context.now - DAY_MS);
  if (recent.length >= MODIFICATIONS_A_DAY) throw errors.modificationRateExceeded();
  const { iops: _, throughput: __, ...rest } = spec;
  const modified = context.tx.update(volume, {
    spec: {
      ...rest,
      ...to,
      modification: { from: shapeOf(volume), to, startedAt: context.now },
      modifiedAt: [...recent, context.now],
    },
  });
  return { VolumeModification: shapeModification(modified) };
}

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumesModifications.html */
const number = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : String(value);

const fields: FilterFields<VolumeRecord> = {
  'modification-state': modificationState,
  'original-iops': (volume) => number(shapeModification(volume).OriginalIops),
  'original-size': (volume) => number(shapeModification(volume).OriginalSize),
  'original-volume-type': (volume) => shapeModification(volume).OriginalVolumeType,
  originalMultiAttachEnabled: () => 'false',
  'start-time': (volume) => shapeModification(volume).StartTime?.toISOString(),
  'target-iops': (volume) => number(shapeModification(volume).TargetIops),
  'target-size': (volume) => number(shapeModification(volume).TargetSize),
  'target-volume-type': (volume) => shapeModification(volume).TargetVolumeType,
  targetMultiAttachEnabled: () => 'false',
  'volume-id': ({ id }) => id,
};

export function describeVolumesModifications(
  input: ec2.DescribeVolumesModificationsRequest,
  context: RequestContext,
): ec2.DescribeVolumesModificationsResult {
  for (const id of input.VolumeIds ?? []) volumeOf(context, id);
  const { items, NextToken } = select(context, input, {
    call: 'DescribeVolumesModifications',
    items: context.tx.list(volumes, context.region).filter(({ spec }) => spec.modification !== undefined),
    ids: input.VolumeIds,
    notFound: errors.modificationNotFound,
    fields,
    fewest: 1,
  });
  return { VolumesModifications: items.map(shapeModification), NextToken };
}
