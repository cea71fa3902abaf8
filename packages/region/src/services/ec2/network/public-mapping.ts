/** Which public address stands for a private one of an interface. */
import type { NetworkInterfaceSpec } from '../records.ts';

export interface PublicMapping {
  readonly publicAddress: string;
  /** Absent: auto-assigned, and AWS's own. */
  readonly elastic?: { readonly allocationId: string; readonly associationId: string };
}

/** What stands for a private address of the interface outside: an Elastic IP takes the place of an auto-assigned one. */
export function publicMapping(
  spec: NetworkInterfaceSpec,
  privateAddress = spec.privateAddress,
): PublicMapping | undefined {
  const found = spec.elasticAddresses?.find((one) => one.privateAddress === privateAddress);
  if (found) {
    const { publicAddress, allocationId, associationId } = found;
    return { publicAddress, elastic: { allocationId, associationId } };
  }
  if (privateAddress !== spec.privateAddress || spec.publicAddress === undefined) return undefined;
  return { publicAddress: spec.publicAddress };
}

/** All private addresses, the primary first. */
export const privateAddresses = (spec: NetworkInterfaceSpec): readonly string[] => [
  spec.privateAddress,
  ...spec.secondaryAddresses,
];

/** All public addresses, in the order of the private ones that they stand for. */
export const publicMappings = (spec: NetworkInterfaceSpec): PublicMapping[] =>
  privateAddresses(spec)
    .map((address) => publicMapping(spec, address))
    .filter((found) => found !== undefined);
