/** Where a route really leads at this moment: what it names may be gone by now. */
import type { RouteTarget } from '../../../drivers/network.ts';
import type { Reader } from '../../../store/store.ts';
import { internetGateways, natGateways, networkInterfaces, type RouteTableSpec } from '../records.ts';
import { isWanted } from './nat-gateway-state.ts';

export type Route = RouteTableSpec['routes'][number];

/** Like `route.target`, but a blackhole when that is detached from the VPC or does not exist any more. */
export function liveTarget(reader: Reader, region: string, vpcId: string, route: Route): RouteTarget {
  const { target } = route;
  switch (target.kind) {
    case 'internet-gateway': {
      const gateway = reader.get(internetGateways, region, route.targetId ?? '');
      return gateway?.spec.vpcId === vpcId ? target : { kind: 'blackhole' };
    }
    case 'nat-gateway': {
      const gateway = reader.get(natGateways, region, target.natGatewayId);
      return gateway?.spec.vpcId === vpcId && isWanted(gateway) ? target : { kind: 'blackhole' };
    }
    case 'interface': {
      const found = reader.get(networkInterfaces, region, target.interfaceId);
      return found?.spec.vpcId === vpcId && found.spec.attachment ? target : { kind: 'blackhole' };
    }
    default:
      return target;
  }
}
