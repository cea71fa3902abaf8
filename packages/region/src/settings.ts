/** What a region is told when it is put together. Times are region time. */
export interface Settings {
  /** Twelve digits. */
  readonly accountId: string;
  /** Load balancer names end in `.<region>.<this>`. */
  readonly loadBalancerSuffix: string;
  /** Logical hosts in each availability zone. */
  readonly hostsPerZone: number;
  /** How long a terminated instance is still described; AWS says about an hour. */
  readonly terminatedVisibleMs: number;
  /** CIDR out of which public addresses are given, the same as the network driver's. */
  readonly publicCidr: string;
  /** The image that every unknown image id stands for; none: an unknown id is an error, as on AWS. */
  readonly unknownAmi?: string;
}

export const defaultSettings: Settings = {
  accountId: '000000000000',
  loadBalancerSuffix: 'elb.holdfast.internal',
  hostsPerZone: 2,
  terminatedVisibleMs: 3_600_000,
  publicCidr: '198.18.0.0/16',
};
