/**
 * Kinds of which no account here can have any yet, because nothing creates them. Tools ask for them all the same, and
 * "none" is the truth.
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import type { Operation, RequestContext } from '../../common/service.ts';
import { select } from './selection.ts';

const never = (names: readonly string[]): FilterFields<never> =>
  Object.fromEntries(names.map((name) => [name, () => undefined]));

const natGatewayFilters = never(['nat-gateway-id', 'state', 'subnet-id', 'vpc-id']);

function describeNatGateways(
  input: ec2.DescribeNatGatewaysRequest,
  context: RequestContext,
): ec2.DescribeNatGatewaysResult {
  const asked = { Filters: input.Filter, MaxResults: input.MaxResults, NextToken: input.NextToken };
  select(context, asked, {
    call: 'DescribeNatGateways',
    items: [],
    ids: input.NatGatewayIds,
    notFound: (id) => new AwsError('NatGatewayNotFound', `The Nat Gateway ${id} was not found`),
    fields: natGatewayFilters,
  });
  return { NatGateways: [] };
}

export const absentOperations: Readonly<Record<string, Operation>> = {
  DescribeNatGateways: describeNatGateways,
};
