/** What the faults that are there mean for hosts, zones, instances and their network. Pure. */
import type { Reader } from '../../../store/store.ts';
import {
  hosts,
  type Instance,
  instances,
  type NatGateway,
  type NetworkInterface,
  subnets,
} from '../records.ts';
import { faults, faultsOf } from './fault.ts';

/** Zones that are cut off from everything outside them. */
export const lostZones = (reader: Reader, region: string): ReadonlySet<string> =>
  new Set(
    reader
      .list(faults, region)
      .filter(({ spec }) => spec.target === 'zone')
      .map(({ spec }) => spec.targetId),
  );

/** Does anything on this instance's host compute? */
export const isHostFailed = (reader: Reader, { region, spec }: Pick<Instance, 'region' | 'spec'>): boolean =>
  reader.get(hosts, region, spec.hostId)?.spec.failed ?? false;

/** Is what the instance lives on well: its host, with its power and its network? */
export const isHostWell = (reader: Reader, instance: Pick<Instance, 'region' | 'spec'>): boolean =>
  !isHostFailed(reader, instance) && !lostZones(reader, instance.region).has(instance.spec.zone);

/** Has this boot of the instance been hit? */
export const isHit = (
  reader: Reader,
  { region, id }: Pick<Instance, 'region' | 'id'>,
  kind: 'hung' | 'dead',
  boot: number,
): boolean =>
  faultsOf(reader, region, 'instance', id).some(({ spec }) => spec.kind === kind && spec.boot === boot);

export interface Cutting {
  interface(found: NetworkInterface): boolean;
  natGateway(found: NatGateway): boolean;
}

/** Says of what stands in VPCs whether anything passes from or to it. Looks through the faults once. */
export function cutting(reader: Reader, region: string): Cutting {
  const lost = lostZones(reader, region);
  const failedHosts = new Set(
    reader
      .list(hosts, region)
      .filter(({ spec }) => spec.failed)
      .map(({ id }) => id),
  );
  const idsOf = (target: 'instance' | 'nat-gateway'): Set<string> =>
    new Set(
      reader
        .list(faults, region)
        .filter(({ spec }) => spec.target === target && (target !== 'instance' || spec.kind === 'cut'))
        .map(({ spec }) => spec.targetId),
    );
  const cutInstances = idsOf('instance');
  const deadGateways = idsOf('nat-gateway');
  const inLostZone = (subnetId: string): boolean =>
    lost.size > 0 && lost.has(reader.get(subnets, region, subnetId)?.spec.zone ?? '');
  const onFailedHost = (instanceId: string): boolean =>
    failedHosts.size > 0 && failedHosts.has(reader.get(instances, region, instanceId)?.spec.hostId ?? '');
  return {
    interface({ spec }) {
      const instanceId = spec.attachment?.instanceId;
      if (inLostZone(spec.subnetId)) return true;
      return instanceId !== undefined && (cutInstances.has(instanceId) || onFailedHost(instanceId));
    },
    natGateway: ({ id, spec }) => inLostZone(spec.subnetId) || deadGateways.has(id),
  };
}
