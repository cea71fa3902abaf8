/**
 * What volumes of each type can be asked to be.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html, https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html
 */
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';
import { unknownVolumeType } from './errors.ts';
import type { VolumePerformance, VolumeShape, VolumeType } from './volume.ts';

interface Range {
  readonly least: number;
  readonly most: number;
}

interface TypeRules {
  readonly sizeGib: Range;
  /** Only where they can be provisioned; `usual` when they need not be. */
  readonly iops?: Range & { readonly usual?: number; readonly mostPerGib: number };
  /** MiB/s. */
  readonly throughput?: Range & { readonly usual: number; readonly mostPerIops: number };
}

const range = (least: number, most: number): Range => ({ least, most });

const rules: Readonly<Record<VolumeType, TypeRules>> = {
  gp2: { sizeGib: range(1, 16_384) },
  gp3: {
    sizeGib: range(1, 65_536),
    iops: { ...range(3000, 80_000), usual: 3000, mostPerGib: 500 },
    throughput: { ...range(125, 2000), usual: 125, mostPerIops: 0.25 },
  },
  io1: { sizeGib: range(4, 16_384), iops: { ...range(100, 64_000), mostPerGib: 50 } },
  io2: { sizeGib: range(4, 65_536), iops: { ...range(100, 256_000), mostPerGib: 1000 } },
  st1: { sizeGib: range(125, 16_384) },
  sc1: { sizeGib: range(125, 16_384) },
  standard: { sizeGib: range(1, 1024) },
};

/** Throws `UnknownVolumeType`. */
export function checkVolumeType(type: string): VolumeType {
  if (!Object.hasOwn(rules, type)) throw unknownVolumeType(type);
  return type as VolumeType;
}

export interface ShapeRequest {
  readonly sizeGib: number;
  readonly volumeType: VolumeType;
  readonly iops: number | undefined;
  readonly throughput: number | undefined;
}

function checkRange(what: string, value: number, unit: string, { least, most }: Range, type: string): void {
  if (value < least) {
    throw invalidParameterValue(
      `${what} of ${value}${unit} is too small for volume type ${type}; minimum is ${least}${unit}.`,
    );
  }
  if (value > most) {
    throw invalidParameterValue(
      `${what} of ${value}${unit} is too large for volume type ${type}; maximum is ${most}${unit}.`,
    );
  }
}

/** A volume of that shape, with what its type has by itself. Throws for what the type cannot be. */
export function volumeShape({ sizeGib, volumeType, iops, throughput }: ShapeRequest): VolumeShape {
  const allowed = rules[volumeType];
  checkRange('Volume', sizeGib, 'GiB', allowed.sizeGib, volumeType);
  const shape = { sizeGib, volumeType };
  if (!allowed.iops) {
    if (iops !== undefined) {
      throw invalidParameterCombination(`The parameter iops is not supported for ${volumeType} volumes.`);
    }
  }
  if (!allowed.throughput && throughput !== undefined) {
    throw invalidParameterCombination(`The parameter throughput is not supported for ${volumeType} volumes.`);
  }
  if (!allowed.iops) return shape;
  const provisioned = iops ?? allowed.iops.usual;
  if (provisioned === undefined) throw missingParameter('iops');
  checkIops(provisioned, sizeGib, allowed.iops, volumeType);
  if (!allowed.throughput) return { ...shape, iops: provisioned };
  const mibs = throughput ?? allowed.throughput.usual;
  checkRange('Throughput', mibs, ' MiB/s', allowed.throughput, volumeType);
  const { mostPerIops } = allowed.throughput;
  if (mibs / provisioned > mostPerIops) {
    throw invalidParameterValue(
      `Throughput (MiBps) to iops ratio of ${(mibs / provisioned).toFixed(6)} is too high; maximum is ${mostPerIops.toFixed(6)} MiBps per iops.`,
    );
  }
  return { ...shape, iops: provisioned, throughput: mibs };
}

function checkIops(
  iops: number,
  sizeGib: number,
  allowed: Range & { readonly usual?: number; readonly mostPerGib: number },
  type: VolumeType,
): void {
  checkRange('Volume iops', iops, '', allowed, type);
  // What a type has by itself is there at every size.
  if (iops === allowed.usual || iops / sizeGib <= allowed.mostPerGib) return;
  throw invalidParameterValue(
    `Iops to volume size ratio of ${(iops / sizeGib).toFixed(6)} is too high; maximum is ${allowed.mostPerGib}`,
  );
}

/** As the API shows them. gp2 has three for each GiB, 100 at least; magnetic disks show none. */
export function shownPerformance({ volumeType, iops, throughput, sizeGib }: VolumeShape): {
  readonly Iops?: number;
  readonly Throughput?: number;
} {
  if (volumeType === 'gp2') return { Iops: Math.min(16_000, Math.max(100, sizeGib * 3)) };
  return {
    ...(iops !== undefined && { Iops: iops }),
    ...(throughput !== undefined && { Throughput: throughput }),
  };
}

/** The parts of a shape that are not its size. */
export const performanceOf = ({ volumeType, iops, throughput }: VolumePerformance): VolumePerformance => ({
  volumeType,
  ...(iops !== undefined && { iops }),
  ...(throughput !== undefined && { throughput }),
});
