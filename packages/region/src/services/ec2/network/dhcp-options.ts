/** DHCP options: the one set that every VPC of a region has, as AWS makes it. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { type DhcpOptions, dhcpOptions } from '../records.ts';
import { select } from '../selection.ts';
import { tagList } from '../tags.ts';
import { privateDomain } from './dns-name.ts';

/** Makes the region's set; once. */
export const makeDhcpOptions = (scope: Scope): DhcpOptions =>
  scope.tx.create(dhcpOptions, {
    region: scope.region,
    id: newId(scope, 'dopt'),
    spec: { domainName: privateDomain(scope.region) },
    status: null,
  });

/** The id of the set that every VPC of the region has. */
export const dhcpOptionsId = (scope: Pick<Scope, 'tx' | 'region'>): string =>
  scope.tx.list(dhcpOptions, scope.region)[0]?.id ?? 'default';

const configurations = ({ spec }: DhcpOptions): { Key: string; Values: { Value: string }[] }[] => [
  { Key: 'domain-name', Values: [{ Value: spec.domainName }] },
  { Key: 'domain-name-servers', Values: [{ Value: 'AmazonProvidedDNS' }] },
];

function describeDhcpOptions(
  input: ec2.DescribeDhcpOptionsRequest,
  context: RequestContext,
): ec2.DescribeDhcpOptionsResult {
  const { items, NextToken } = select(context, input, {
    call: 'DescribeDhcpOptions',
    items: context.tx.list(dhcpOptions, context.region),
    ids: input.DhcpOptionsIds,
    notFound: errors.dhcpOptionsNotFound,
    fields: {
      'dhcp-options-id': ({ id }) => id,
      key: (options) => configurations(options).map(({ Key }) => Key),
      'owner-id': () => context.settings.accountId,
      value: (options) => configurations(options).flatMap(({ Values }) => Values.map(({ Value }) => Value)),
    },
  });
  return {
    DhcpOptions: items.map((options) => ({
      DhcpOptionsId: options.id,
      OwnerId: context.settings.accountId,
      DhcpConfigurations: configurations(options),
      Tags: tagList(options.tags),
    })),
    NextToken,
  };
}

export const dhcpOptionsOperations: Readonly<Record<string, Operation>> = {
  DescribeDhcpOptions: describeDhcpOptions,
};
