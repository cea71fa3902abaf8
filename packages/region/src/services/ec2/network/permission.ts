/**
 * Security group rules in the forms that the API has for them: a permission holds several rules of one protocol and port
 * range, a rule request holds one.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
 */
import { isIPv6 } from 'node:net';
import type * as ec2 from '@aws-sdk/client-ec2';
import type { TrafficMatch } from '../../../drivers/network.ts';
import { unsupported } from '../../common/errors.ts';
import type { Scope } from '../../common/service.ts';
import * as errors from '../errors.ts';
import type { SecurityGroup, SecurityGroupRuleRecord } from '../records.ts';
import { formatCidr, parseCidr } from './cidr.ts';
import { securityGroupNamed, securityGroupOf } from './security-group-lookup.ts';

export type Direction = SecurityGroupRuleRecord['direction'];

/** What a rule says, without what it is called. */
export type RuleTerms = Omit<SecurityGroupRuleRecord, 'ruleId' | 'tags'>;

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, icmp: 1, icmpv6: 58, all: -1 };
const PROTOCOL_NAMES = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [1, 'icmp'],
  [58, 'icmpv6'],
]);

const isTcpOrUdp = (protocol: number): boolean => protocol === 6 || protocol === 17;
export const isIcmp = (protocol: number): boolean => protocol === 1 || protocol === 58;

export function protocolNumber(name: string | undefined): number {
  const text = errors.required(name, 'ipProtocol').toLowerCase();
  const number = Object.hasOwn(PROTOCOLS, text) ? PROTOCOLS[text] : Number(text);
  if (number === undefined || !Number.isInteger(number) || number < -1 || number > 255) {
    throw errors.invalidParameterValue(`Invalid value '${name}' for IP protocol. Unknown protocol.`);
  }
  return number;
}

interface MatchInput {
  readonly IpProtocol?: string | undefined;
  readonly FromPort?: number | undefined;
  readonly ToPort?: number | undefined;
}

/** Ports count for TCP and UDP; for ICMP they are type and code; for all others they mean nothing. */
export function trafficMatch({ IpProtocol, FromPort: from, ToPort: to }: MatchInput): TrafficMatch {
  const protocol = protocolNumber(IpProtocol);
  if (isTcpOrUdp(protocol)) {
    if (from === undefined || to === undefined) {
      throw errors.invalidParameterValue(
        "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
      );
    }
    if (from < 0 || to > 65_535 || from > to) {
      throw errors.invalidParameterValue(`Invalid TCP/UDP port range (${from}:${to})`);
    }
    return { protocol, ports: { from, to } };
  }
  if (!isIcmp(protocol)) return { protocol };
  const type = from ?? -1;
  const code = to ?? -1;
  if (type < -1 || type > 255 || code < -1 || code > 255 || (type === -1 && code !== -1)) {
    throw errors.invalidParameterValue(`ICMP code (${code}) or type (${type}) is not valid.`);
  }
  return type === -1 ? { protocol } : { protocol, icmp: { type, code } };
}

/** The port members of a shape. `all` is what stands for every port: nothing in a permission, -1 in a rule. */
export function portsOf(match: TrafficMatch, all?: number): { FromPort?: number; ToPort?: number } {
  if (match.ports) return { FromPort: match.ports.from, ToPort: match.ports.to };
  if (match.icmp) return { FromPort: match.icmp.type, ToPort: match.icmp.code };
  const any = isIcmp(match.protocol) ? -1 : all;
  return any === undefined ? {} : { FromPort: any, ToPort: any };
}

export const protocolName = (protocol: number): string => PROTOCOL_NAMES.get(protocol) ?? String(protocol);

/** The block in canonical form. */
export function rangePeer(text: string | undefined): { cidr: string } {
  const cidr = parseCidr(errors.required(text, 'cidrIp'));
  if (!cidr) throw errors.invalidParameterValue(`CIDR block ${text} is malformed`);
  return { cidr: formatCidr(cidr) };
}

export function ipv6RangePeer(text: string | undefined): { cidrIpv6: string } {
  const given = errors.required(text, 'cidrIpv6');
  const [address = '', prefix = ''] = given.split('/');
  if (!isIPv6(address) || !/^\d{1,3}$/.test(prefix) || Number(prefix) > 128) {
    throw errors.invalidParameterValue(`CIDR block ${text} is malformed`);
  }
  return { cidrIpv6: given.toLowerCase() };
}

/** Another group of the same VPC, by id or by name. */
export function groupPeer(
  scope: Scope,
  group: SecurityGroup,
  pair: ec2.UserIdGroupPair,
): { securityGroupId: string } {
  const account = scope.settings.accountId;
  if (pair.UserId !== undefined && pair.UserId !== '' && pair.UserId !== account) {
    throw unsupported(`security groups of another account (${pair.UserId})`);
  }
  if (pair.VpcPeeringConnectionId) throw unsupported('security groups of a peered VPC');
  if (pair.GroupId === undefined) {
    const name = errors.required(pair.GroupName, 'groupId');
    const found = securityGroupNamed(scope.tx, scope.region, group.spec.vpcId, name);
    if (!found) throw errors.groupNameNotFound(name, group.spec.vpcId);
    return { securityGroupId: found.id };
  }
  const found = securityGroupOf(scope, pair.GroupId);
  if (found.spec.vpcId !== group.spec.vpcId) {
    throw errors.invalidGroupNetworks();
  }
  return { securityGroupId: found.id };
}

/** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html */
export function ruleDescription(text: string | undefined): { description?: string } {
  if (text === undefined || text === '') return {};
  if (text.length > 255 || !/^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]*$/.test(text)) {
    throw errors.invalidParameterValue(
      'Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*',
    );
  }
  return { description: text };
}

/** The rules that a permission stands for: one for each peer. */
export function rulesOfPermission(
  scope: Scope,
  group: SecurityGroup,
  direction: Direction,
  permission: ec2.IpPermission,
): RuleTerms[] {
  const match = trafficMatch(permission);
  if (permission.PrefixListIds?.length) throw unsupported('prefix lists in security group rules');
  const peers = [
    ...(permission.IpRanges ?? []).map((range) => ({ peer: rangePeer(range.CidrIp), of: range })),
    ...(permission.Ipv6Ranges ?? []).map((range) => ({ peer: ipv6RangePeer(range.CidrIpv6), of: range })),
    ...(permission.UserIdGroupPairs ?? []).map((pair) => ({ peer: groupPeer(scope, group, pair), of: pair })),
  ];
  if (peers.length === 0) throw errors.missingParameter('ipRanges');
  return peers.map(({ peer, of }) => ({ direction, ...match, peer, ...ruleDescription(of.Description) }));
}

/** Two rules are the same when all but their descriptions is. */
export const ruleIdentity = ({ direction, protocol, ports, icmp, peer }: RuleTerms): string =>
  JSON.stringify([direction, protocol, ports ?? null, icmp ?? null, peer]);

/** A peer as errors name it. */
export function peerText({ peer }: RuleTerms): string {
  if ('cidr' in peer) return peer.cidr;
  return 'cidrIpv6' in peer ? peer.cidrIpv6 : peer.securityGroupId;
}

/** Rules as permissions: those of one protocol and port range together, in the order of their first. */
export function permissionsOf(scope: Scope, rules: readonly RuleTerms[]): ec2.IpPermission[] {
  const permissions = new Map<string, ec2.IpPermission>();
  for (const rule of rules) {
    const match = [rule.protocol, rule.ports ?? null, rule.icmp ?? null];
    const key = JSON.stringify(match);
    let permission = permissions.get(key);
    if (!permission) {
      permission = {
        IpProtocol: protocolName(rule.protocol),
        ...portsOf(rule),
        IpRanges: [],
        Ipv6Ranges: [],
        PrefixListIds: [],
        UserIdGroupPairs: [],
      };
      permissions.set(key, permission);
    }
    addPeer(scope, permission, rule);
  }
  return [...permissions.values()];
}

function addPeer(scope: Scope, permission: ec2.IpPermission, { peer, description }: RuleTerms): void {
  const Description = description === undefined ? {} : { Description: description };
  if ('cidr' in peer) permission.IpRanges?.push({ CidrIp: peer.cidr, ...Description });
  else if ('cidrIpv6' in peer) permission.Ipv6Ranges?.push({ CidrIpv6: peer.cidrIpv6, ...Description });
  else {
    permission.UserIdGroupPairs?.push({
      GroupId: peer.securityGroupId,
      UserId: scope.settings.accountId,
      ...Description,
    });
  }
}
