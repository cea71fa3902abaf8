/** The entries of network ACLs. A direction and a number name one. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { NetworkAclEntry as Entry } from '../../../drivers/network.ts';
import { AwsError, refuseParameters } from '../../common/errors.ts';
import type { Operation, RequestContext } from '../../common/service.ts';
import * as errors from '../errors.ts';
import { formatCidr, parseCidr } from './cidr.ts';
import { networkAclOf } from './network-acl.ts';
import { isIcmp, protocolNumber, trafficMatch } from './permission.ts';

/** The numbers that users can give; 32767 is the last entry, which nobody can change. */
const HIGHEST = 32_766;

function numberOf(value: number | undefined): number {
  const number = errors.required(value, 'ruleNumber');
  if (!Number.isInteger(number) || number < 1 || number > HIGHEST) {
    throw errors.invalidParameterValue(
      `Value (${number}) for parameter ruleNumber is invalid. It must be between 1 and ${HIGHEST}.`,
    );
  }
  return number;
}

function entryOf(input: ec2.CreateNetworkAclEntryRequest): Entry {
  const ruleNumber = numberOf(input.RuleNumber);
  const action = errors.required(input.RuleAction, 'ruleAction');
  if (action !== 'allow' && action !== 'deny') {
    throw errors.invalidParameterValue(`Value (${action}) for parameter ruleAction is invalid.`);
  }
  const block = errors.required(input.CidrBlock, 'cidrBlock');
  const cidr = parseCidr(block);
  if (!cidr) throw errors.invalidCidrBlock(block);
  const IpProtocol = errors.required(input.Protocol, 'protocol');
  const { From: FromPort, To: ToPort } = input.PortRange ?? {};
  const icmp = input.IcmpTypeCode;
  // The one is required with ICMP, the other with TCP and UDP; each counts for its own protocols only.
  // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html
  const match = isIcmp(protocolNumber(IpProtocol))
    ? trafficMatch({
        IpProtocol,
        FromPort: errors.required(icmp?.Type, 'icmpTypeCode'),
        ToPort: errors.required(icmp?.Code, 'icmpTypeCode'),
      })
    : trafficMatch({ IpProtocol, FromPort, ToPort });
  return { ruleNumber, action, ...match, cidr: formatCidr(cidr) };
}

type Direction = 'ingress' | 'egress';
const directionOf = (egress: boolean | undefined): Direction =>
  errors.required(egress, 'egress') ? 'egress' : 'ingress';

interface EntryInput {
  readonly NetworkAclId?: string | undefined;
  readonly Egress?: boolean | undefined;
}

/** Writes what `change` makes of one direction's entries. */
function rewrite(
  context: RequestContext,
  input: EntryInput,
  change: (entries: readonly Entry[], direction: Direction, aclId: string) => readonly Entry[],
): void {
  const acl = networkAclOf(context, errors.required(input.NetworkAclId, 'networkAclId'));
  const direction = directionOf(input.Egress);
  const entries = change(acl.spec[direction], direction, acl.id);
  context.tx.update(acl, { spec: { ...acl.spec, [direction]: entries } });
}

const notFound = (direction: Direction, number: number, aclId: string): AwsError =>
  new AwsError(
    'InvalidNetworkAclEntry.NotFound',
    `no ${direction} entry with number ${number} in network ACL ${aclId}`,
  );

function createNetworkAclEntry(input: ec2.CreateNetworkAclEntryRequest, context: RequestContext): void {
  refuseParameters('CreateNetworkAclEntry', input, ['Ipv6CidrBlock']);
  const entry = entryOf(input);
  rewrite(context, input, (entries) => {
    if (entries.some(({ ruleNumber }) => ruleNumber === entry.ruleNumber)) {
      throw new AwsError(
        'NetworkAclEntryAlreadyExists',
        `The network acl entry identified by ${entry.ruleNumber} already exists.`,
      );
    }
    return [...entries, entry];
  });
}

function replaceNetworkAclEntry(input: ec2.ReplaceNetworkAclEntryRequest, context: RequestContext): void {
  refuseParameters('ReplaceNetworkAclEntry', input, ['Ipv6CidrBlock']);
  const entry = entryOf(input);
  rewrite(context, input, (entries, direction, aclId) => {
    if (!entries.some(({ ruleNumber }) => ruleNumber === entry.ruleNumber)) {
      throw notFound(direction, entry.ruleNumber, aclId);
    }
    return entries.map((one) => (one.ruleNumber === entry.ruleNumber ? entry : one));
  });
}

function deleteNetworkAclEntry(input: ec2.DeleteNetworkAclEntryRequest, context: RequestContext): void {
  const number = numberOf(input.RuleNumber);
  rewrite(context, input, (entries, direction, aclId) => {
    const left = entries.filter(({ ruleNumber }) => ruleNumber !== number);
    if (left.length === entries.length) throw notFound(direction, number, aclId);
    return left;
  });
}

export const networkAclEntryOperations: Readonly<Record<string, Operation>> = {
  CreateNetworkAclEntry: createNetworkAclEntry,
  ReplaceNetworkAclEntry: replaceNetworkAclEntry,
  DeleteNetworkAclEntry: deleteNetworkAclEntry,
};
