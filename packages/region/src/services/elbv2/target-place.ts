/** Where a target is, and whether traffic may go there: its instance's state and address, and its zone. */
import type { Reader } from '../../store/store.ts';
import { cidrOf, holdsAddress, parseAddress } from '../ec2/network/cidr.ts';
import {
  type InstanceStateName,
  instances,
  type NetworkInterface,
  networkInterfaces,
  subnets,
} from '../ec2/records.ts';
import type { Target, TargetGroup } from './records.ts';

export interface TargetPlace {
  readonly address?: string;
  readonly zone?: string;
  /** Instance targets: undefined when there is no such instance any more. */
  readonly instanceState?: InstanceStateName;
}

/** Finds places; looks through the interfaces once, however many targets are asked for. */
export function targetPlaces(reader: Reader, region: string): (group: TargetGroup, t: Target) => TargetPlace {
  let primaries: Map<string, NetworkInterface> | undefined;
  const primaryOf = (instanceId: string): NetworkInterface | undefined => {
    primaries ??= new Map(
      reader
        .list(networkInterfaces, region)
        .filter(({ spec }) => spec.attachment?.deviceIndex === 0)
        .map((held) => [held.spec.attachment?.endpointId ?? '', held]),
    );
    return primaries.get(instanceId);
  };
  const zoneOf = (vpcId: string, text: string): string | undefined => {
    const address = parseAddress(text);
    if (address === undefined) return undefined;
    return reader
      .list(subnets, region)
      .find(({ spec }) => spec.vpcId === vpcId && holdsAddress(cidrOf(spec.cidr), address))?.spec.zone;
  };
  return (group, { spec: { targetId } }) => {
    if (group.spec.targetType === 'ip') {
      const zone = zoneOf(group.spec.vpcId, targetId);
      return { address: targetId, ...(zone !== undefined && { zone }) };
    }
    const instance = reader.get(instances, region, targetId);
    if (!instance) return {};
    const address = primaryOf(targetId)?.spec.privateAddress;
    return {
      ...(address !== undefined && { address }),
      zone: instance.spec.zone,
      instanceState: instance.status.state,
    };
  };
}
