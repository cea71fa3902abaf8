/**
 * AWS's commercial regions and their availability zones, as facts. Which zone id stands behind which letter differs from
 * account to account; here a letter has the id of the same rank.
 * https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
 * https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-availability-zones.html
 */

export interface Zone {
  /** Such as `us-west-2a`. */
  readonly name: string;
  /** Such as `usw2-az1`. */
  readonly id: string;
  /** Such as `us-west-2-zg-1`. */
  readonly groupName: string;
}

export interface RegionFacts {
  /** Such as `us-west-2`. */
  readonly name: string;
  /** Such as `US West (Oregon)`. */
  readonly longName: string;
  /** The country, such as `United States of America`. */
  readonly geography: string;
  /** `opted-in`: a region that an AWS account must enable first; every region is enabled here. */
  readonly optInStatus: 'opt-in-not-required' | 'opted-in';
  /** In the order of their names. */
  readonly zones: readonly Zone[];
}

/** Region, long name, country, prefix of its zone ids, zones as `<letter><number of the zone id>`. */
type Row = readonly [name: string, longName: string, geography: string, prefix: string, zones: string];

const USA = 'United States of America';

const alwaysEnabled: readonly Row[] = [
  ['us-east-1', 'US East (N. Virginia)', USA, 'use1', 'a1 b2 c3 d4 e5 f6'],
  ['us-east-2', 'US East (Ohio)', USA, 'use2', 'a1 b2 c3'],
  ['us-west-1', 'US West (N. California)', USA, 'usw1', 'a1 c3'],
  ['us-west-2', 'US West (Oregon)', USA, 'usw2', 'a1 b2 c3 d4'],
  ['ap-south-1', 'Asia Pacific (Mumbai)', 'India', 'aps1', 'a1 b2 c3'],
  ['ap-northeast-1', 'Asia Pacific (Tokyo)', 'Japan', 'apne1', 'a1 c2 d4'],
  ['ap-northeast-2', 'Asia Pacific (Seoul)', 'South Korea', 'apne2', 'a1 b2 c3 d4'],
  ['ap-northeast-3', 'Asia Pacific (Osaka)', 'Japan', 'apne3', 'a1 b2 c3'],
  ['ap-southeast-1', 'Asia Pacific (Singapore)', 'Singapore', 'apse1', 'a1 b2 c3'],
  ['ap-southeast-2', 'Asia Pacific (Sydney)', 'Australia', 'apse2', 'a1 b2 c3'],
  ['ca-central-1', 'Canada (Central)', 'Canada', 'cac1', 'a1 b2 d4'],
  ['eu-central-1', 'Europe (Frankfurt)', 'Germany', 'euc1', 'a1 b2 c3'],
  ['eu-west-1', 'Europe (Ireland)', 'Ireland', 'euw1', 'a1 b2 c3'],
  ['eu-west-2', 'Europe (London)', 'United Kingdom', 'euw2', 'a1 b2 c3'],
  ['eu-west-3', 'Europe (Paris)', 'France', 'euw3', 'a1 b2 c3'],
  ['eu-north-1', 'Europe (Stockholm)', 'Sweden', 'eun1', 'a1 b2 c3'],
  ['sa-east-1', 'South America (Sao Paulo)', 'Brazil', 'sae1', 'a1 b2 c3'],
];

const optIn: readonly Row[] = [
  ['af-south-1', 'Africa (Cape Town)', 'South Africa', 'afs1', 'a1 b2 c3'],
  ['ap-east-1', 'Asia Pacific (Hong Kong)', 'Hong Kong', 'ape1', 'a1 b2 c3'],
  ['ap-east-2', 'Asia Pacific (Taipei)', 'Taiwan', 'ape2', 'a1 b2 c3'],
  ['ap-south-2', 'Asia Pacific (Hyderabad)', 'India', 'aps2', 'a1 b2 c3'],
  ['ap-southeast-3', 'Asia Pacific (Jakarta)', 'Indonesia', 'apse3', 'a1 b2 c3'],
  ['ap-southeast-4', 'Asia Pacific (Melbourne)', 'Australia', 'apse4', 'a1 b2 c3'],
  ['ap-southeast-5', 'Asia Pacific (Malaysia)', 'Malaysia', 'apse5', 'a1 b2 c3'],
  ['ap-southeast-6', 'Asia Pacific (New Zealand)', 'New Zealand', 'apse6', 'a1 b2 c3'],
  ['ap-southeast-7', 'Asia Pacific (Thailand)', 'Thailand', 'apse7', 'a1 b2 c3'],
  ['ca-west-1', 'Canada West (Calgary)', 'Canada', 'caw1', 'a1 b2 c3'],
  ['eu-central-2', 'Europe (Zurich)', 'Switzerland', 'euc2', 'a1 b2 c3'],
  ['eu-south-1', 'Europe (Milan)', 'Italy', 'eus1', 'a1 b2 c3'],
  ['eu-south-2', 'Europe (Spain)', 'Spain', 'eus2', 'a1 b2 c3'],
  ['il-central-1', 'Israel (Tel Aviv)', 'Israel', 'ilc1', 'a1 b2 c3'],
  ['me-central-1', 'Middle East (UAE)', 'United Arab Emirates', 'mec1', 'a1 b2 c3'],
  ['me-south-1', 'Middle East (Bahrain)', 'Bahrain', 'mes1', 'a1 b2 c3'],
  ['mx-central-1', 'Mexico (Central)', 'Mexico', 'mxc1', 'a1 b2 c3'],
];

const facts =
  (optInStatus: RegionFacts['optInStatus']) =>
  ([name, longName, geography, prefix, zones]: Row): RegionFacts => ({
    name,
    longName,
    geography,
    optInStatus,
    zones: zones.split(' ').map((zone) => ({
      name: name + zone.slice(0, 1),
      id: `${prefix}-az${zone.slice(1)}`,
      groupName: `${name}-zg-1`,
    })),
  });

/** Every region, in the order of their names. */
export const regions: readonly RegionFacts[] = [
  ...alwaysEnabled.map(facts('opt-in-not-required')),
  ...optIn.map(facts('opted-in')),
].sort((a, b) => (a.name < b.name ? -1 : 1));

const byName = new Map(regions.map((region) => [region.name, region]));

/** The region of that name, if AWS has it. */
export const regionNamed = (name: string): RegionFacts | undefined => byName.get(name);

/** The zones of a region, none when AWS has no such region. */
export const zonesOf = (region: string): readonly Zone[] => byName.get(region)?.zones ?? [];

/** A zone of this region, by its name (`us-west-2a`) or its id (`usw2-az1`). */
export const zoneNamed = (region: string, nameOrId: string): Zone | undefined =>
  zonesOf(region).find((zone) => zone.name === nameOrId || zone.id === nameOrId);
