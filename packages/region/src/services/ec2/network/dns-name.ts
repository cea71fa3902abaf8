/**
 * The names that EC2 gives to addresses.
 * https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html
 */

/** `us-east-1` is older than the naming scheme. */
const OLDEST_REGION = 'us-east-1';

/** The domain of private names, such as `us-west-2.compute.internal`. */
export const privateDomain = (region: string): string =>
  region === OLDEST_REGION ? 'ec2.internal' : `${region}.compute.internal`;

/** Such as `ip-172-31-5-9.us-west-2.compute.internal`. */
export const privateDnsName = (region: string, address: string): string =>
  `ip-${address.replaceAll('.', '-')}.${privateDomain(region)}`;

/** Such as `ec2-198-18-0-16.us-west-2.compute.amazonaws.com`. */
export const publicDnsName = (region: string, address: string): string => {
  const domain = region === OLDEST_REGION ? 'compute-1' : `${region}.compute`;
  return `ec2-${address.replaceAll('.', '-')}.${domain}.amazonaws.com`;
};
