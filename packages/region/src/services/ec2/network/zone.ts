/** Regions, zones, and what the account may have in them. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { applyFilters, type FilterFields } from '../../common/filters.ts';
import { type RegionFacts, regionNamed, regions, type Zone, zonesOf } from '../../common/geography.ts';
import type { Operation, RequestContext } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { lostZones } from '../fault/impairment.ts';
import { defaultVpc } from './default-vpc.ts';

const endpointOf = ({ name }: RegionFacts): string => `ec2.${name}.amazonaws.com`;

const regionFields: FilterFields<RegionFacts> = {
  endpoint: endpointOf,
  'opt-in-status': ({ optInStatus }) => optInStatus,
  'region-name': ({ name }) => name,
};

/** Every region that AWS has is enabled, so `AllRegions` shows no more than without it. */
function describeRegions(input: ec2.DescribeRegionsRequest): ec2.DescribeRegionsResult {
  const names = input.RegionNames ?? [];
  const unknown = names.filter((name) => !regionNamed(name));
  if (unknown.length > 0) {
    throw errors.invalidParameterValue(`Invalid region names: [${unknown.join(', ')}]`);
  }
  const asked = names.length === 0 ? regions : regions.filter(({ name }) => names.includes(name));
  return {
    Regions: applyFilters(asked, input.Filters, regionFields).map((facts) => ({
      RegionName: facts.name,
      Endpoint: endpointOf(facts),
      OptInStatus: facts.optInStatus,
      Geography: [{ Name: facts.geography }],
    })),
  };
}

const OUTAGE = 'The Availability Zone is cut off: nothing in it is reached from outside.';

/** All zones of a region are one group. */
const groupLongName = (region: string): string => `${regionNamed(region)?.longName} 1`;

/** A zone that was cut off is impaired; all others are available. */
const zoneFields = (region: string, lost: ReadonlySet<string>): FilterFields<Zone> => ({
  'group-long-name': () => groupLongName(region),
  'group-name': ({ groupName }) => groupName,
  message: ({ name }) => (lost.has(name) ? OUTAGE : undefined),
  'opt-in-status': () => 'opt-in-not-required',
  'parent-zone-id': () => undefined,
  'parent-zone-name': () => undefined,
  'region-name': () => region,
  state: ({ name }) => (lost.has(name) ? 'impaired' : 'available'),
  'zone-id': ({ id }) => id,
  'zone-name': ({ name }) => name,
  'zone-type': () => 'availability-zone',
});

function describeAvailabilityZones(
  input: ec2.DescribeAvailabilityZonesRequest,
  context: RequestContext,
): ec2.DescribeAvailabilityZonesResult {
  const { region } = context;
  const zones = zonesOf(region);
  for (const name of input.ZoneNames ?? []) {
    if (!zones.some((zone) => zone.name === name)) throw errors.invalidZone(name);
  }
  for (const id of input.ZoneIds ?? []) {
    if (!zones.some((zone) => zone.id === id)) {
      throw errors.invalidParameterValue(`Invalid availability zone-id: [${id}]`);
    }
  }
  const asked = zones
    .filter(({ name }) => !input.ZoneNames?.length || input.ZoneNames.includes(name))
    .filter(({ id }) => !input.ZoneIds?.length || input.ZoneIds.includes(id));
  const geography = regionNamed(region)?.geography;
  const lost = lostZones(context.tx, region);
  return {
    AvailabilityZones: applyFilters(asked, input.Filters, zoneFields(region, lost)).map((zone) => ({
      State: lost.has(zone.name) ? 'impaired' : 'available',
      OptInStatus: 'opt-in-not-required',
      Messages: lost.has(zone.name) ? [{ Message: OUTAGE }] : [],
      RegionName: region,
      ZoneName: zone.name,
      ZoneId: zone.id,
      GroupName: zone.groupName,
      GroupLongName: groupLongName(region),
      ...(geography !== undefined && { Geography: [{ Name: geography }] }),
      NetworkBorderGroup: region,
      ZoneType: 'availability-zone',
    })),
  };
}

/** A new account's quotas as AWS shows them. They are facts for tools that ask; Holdfast itself sets no such limits. */
const QUOTAS: Readonly<Record<string, string>> = {
  'vpc-max-security-groups-per-interface': '5',
  'max-instances': '20',
  'max-elastic-ips': '5',
  'vpc-max-elastic-ips': '5',
};

function describeAccountAttributes(
  input: ec2.DescribeAccountAttributesRequest,
  context: RequestContext,
): ec2.DescribeAccountAttributesResult {
  const attributes: Readonly<Record<string, string>> = {
    'supported-platforms': 'VPC',
    'default-vpc': defaultVpc(context)?.id ?? 'none',
    ...QUOTAS,
  };
  const names: readonly string[] = input.AttributeNames?.length
    ? input.AttributeNames
    : Object.keys(attributes);
  return {
    AccountAttributes: names.map((name) => {
      const value = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
      if (value === undefined) {
        throw errors.invalidParameterValue(`Value ( ${name} ) for parameter attributeName is invalid.`);
      }
      return {
        AttributeName: name as ec2.AccountAttributeName,
        AttributeValues: [{ AttributeValue: value }],
      };
    }),
  };
}

export const zoneOperations: Readonly<Record<string, Operation>> = {
  DescribeRegions: describeRegions,
  DescribeAvailabilityZones: describeAvailabilityZones,
  DescribeAccountAttributes: describeAccountAttributes,
};
