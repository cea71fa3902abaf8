/** A subnet with what it is never without: its VPC's default network ACL. */
import type { Tags } from '../../../store/resource.ts';
import { newId } from '../../common/names.ts';
import type { Scope } from '../../common/service.ts';
import { type Subnet, subnets, vpcs } from '../records.ts';
import { defaultNetworkAcl } from './vpc-parts.ts';

export interface SubnetRequest {
  readonly vpcId: string;
  /** Within the VPC, canonical, overlapping no other subnet. */
  readonly cidr: string;
  readonly zone: string;
  /** Only default subnets give public addresses from the beginning. */
  readonly defaultForAz: boolean;
  readonly tags: Tags;
}

export const makeSubnet = (scope: Scope, request: SubnetRequest): Subnet =>
  scope.tx.create(subnets, {
    region: scope.region,
    id: newId(scope, 'subnet'),
    owner: { kind: vpcs.kind, region: scope.region, id: request.vpcId },
    spec: {
      vpcId: request.vpcId,
      cidr: request.cidr,
      zone: request.zone,
      mapPublicIpOnLaunch: request.defaultForAz,
      defaultForAz: request.defaultForAz,
      networkAclId: defaultNetworkAcl(scope.tx, scope.region, request.vpcId).id,
    },
    status: null,
    tags: request.tags,
  });
