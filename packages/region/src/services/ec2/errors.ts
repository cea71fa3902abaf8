/**
 * EC2's error codes with AWS's wording, one table for the whole service.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
 */
import { AwsError } from '../common/errors.ts';

const error = (code: string, message: string): AwsError => new AwsError(code, message);

/** A parameter's value is not one that the call takes. */
export const invalidParameterValue = (message: string): AwsError => error('InvalidParameterValue', message);

/** Parameters that do not go together. */
export const invalidParameterCombination = (message: string): AwsError =>
  error('InvalidParameterCombination', message);

/** A parameter that the call needs is not there. */
export const missingParameter = (name: string): AwsError =>
  error('MissingParameter', `The request must contain the parameter ${name}`);

/** The parameter, or `MissingParameter`. An empty text is none. */
export function required<T>(value: T | undefined | null, name: string): NonNullable<T> {
  if (value === undefined || value === null || value === '') throw missingParameter(name);
  return value;
}

/** Something else needs what the caller wants to be rid of. */
export const dependencyViolation = (message: string): AwsError => error('DependencyViolation', message);

export const hasDependencies = (what: string, id: string): AwsError =>
  dependencyViolation(`The ${what} '${id}' has dependencies and cannot be deleted.`);

export const idempotentParameterMismatch = (): AwsError =>
  error(
    'IdempotentParameterMismatch',
    'The request uses the same client token as a previous, but non-identical request.',
  );

export const invalidNextToken = (): AwsError =>
  error('InvalidNextToken', 'The token is invalid or has expired.');

// What does not exist.

/** Does not exist, or cannot: an id of another kind, or none at all, has a code of its own for some kinds. */
const missingOrMalformed = (id: string, start: string, missing: AwsError, malformed: string): AwsError =>
  id.startsWith(start) ? missing : error(malformed, `Invalid id: "${id}" (expecting "${start}...")`);

export const vpcNotFound = (id: string): AwsError =>
  error('InvalidVpcID.NotFound', `The vpc ID '${id}' does not exist`);

export const subnetNotFound = (id: string): AwsError =>
  error('InvalidSubnetID.NotFound', `The subnet ID '${id}' does not exist`);

export const internetGatewayNotFound = (id: string): AwsError =>
  missingOrMalformed(
    id,
    'igw-',
    error('InvalidInternetGatewayID.NotFound', `The internetGateway ID '${id}' does not exist`),
    'InvalidInternetGatewayId.Malformed',
  );

export const routeTableNotFound = (id: string): AwsError =>
  missingOrMalformed(
    id,
    'rtb-',
    error('InvalidRouteTableID.NotFound', `The routeTable ID '${id}' does not exist`),
    'InvalidRouteTableId.Malformed',
  );

export const routeNotFound = (table: string, destination: string): AwsError =>
  error(
    'InvalidRoute.NotFound',
    `no route with destination-cidr-block ${destination} in route table ${table}`,
  );

export const associationNotFound = (id: string): AwsError =>
  error('InvalidAssociationID.NotFound', `The association ID '${id}' does not exist`);

export const networkAclNotFound = (id: string): AwsError =>
  missingOrMalformed(
    id,
    'acl-',
    error('InvalidNetworkAclID.NotFound', `The networkAcl ID '${id}' does not exist`),
    'InvalidNetworkAclId.Malformed',
  );

export const dhcpOptionsNotFound = (id: string): AwsError =>
  error('InvalidDhcpOptionID.NotFound', `The dhcpOption ID '${id}' does not exist`);

export const allocationNotFound = (id: string): AwsError =>
  error('InvalidAllocationID.NotFound', `The allocation ID '${id}' does not exist`);

export const publicAddressNotFound = (address: string): AwsError =>
  error('InvalidAddress.NotFound', `Address '${address}' not found.`);

export const natGatewayNotFound = (id: string): AwsError =>
  missingOrMalformed(
    id,
    'nat-',
    error('NatGatewayNotFound', `The Nat Gateway ${id} was not found`),
    'NatGatewayMalformed',
  );

export const attachmentNotFound = (id: string): AwsError =>
  missingOrMalformed(
    id,
    'eni-attach-',
    error('InvalidAttachmentID.NotFound', `The attachment ID '${id}' does not exist`),
    'InvalidNetworkInterfaceAttachmentId.Malformed',
  );

export const networkInterfaceNotFound = (id: string): AwsError =>
  missingOrMalformed(
    id,
    'eni-',
    error('InvalidNetworkInterfaceID.NotFound', `The networkInterface ID '${id}' does not exist`),
    'InvalidNetworkInterfaceId.Malformed',
  );

export const groupNotFound = (id: string): AwsError =>
  error('InvalidGroup.NotFound', `The security group '${id}' does not exist`);

export const groupNameNotFound = (name: string, vpcId: string): AwsError =>
  error('InvalidGroup.NotFound', `The security group '${name}' does not exist in VPC '${vpcId}'`);

export const groupIdMalformed = (id: string): AwsError =>
  error('InvalidGroupId.Malformed', `Invalid id: "${id}" (expecting "sg-...")`);

export const ruleNotFound = (id: string): AwsError =>
  error('InvalidSecurityGroupRuleId.NotFound', `The security group rule ID '${id}' does not exist`);

export const permissionNotFound = (): AwsError =>
  error('InvalidPermission.NotFound', 'The specified rule does not exist in this security group.');

// Addresses and ranges.

export const invalidVpcRange = (cidr: string): AwsError =>
  error('InvalidVpc.Range', `The CIDR '${cidr}' is invalid.`);

export const invalidSubnetRange = (cidr: string): AwsError =>
  error('InvalidSubnet.Range', `The CIDR '${cidr}' is invalid.`);

export const subnetConflict = (cidr: string): AwsError =>
  error('InvalidSubnet.Conflict', `The CIDR '${cidr}' conflicts with another subnet`);

export const invalidCidrBlock = (value: string, parameter = 'cidrBlock'): AwsError =>
  invalidParameterValue(
    `Value (${value}) for parameter ${parameter} is invalid. This is not a valid CIDR block.`,
  );

export const notEnoughAddresses = (): AwsError =>
  error(
    'InsufficientFreeAddressesInSubnet',
    'The specified subnet does not have enough free addresses to satisfy the request.',
  );

export const addressInUse = (address: string): AwsError =>
  error('InvalidIPAddress.InUse', `Address ${address} is in use.`);

export const noPublicAddresses = (cidr: string): AwsError =>
  error('InsufficientAddressCapacity', `Every public address of ${cidr} is in use.`);

// The default VPC.

export const noDefaultVpc = (): AwsError => error('VPCIdNotSpecified', 'No default VPC for this user');

export const noDefaultSubnets = (vpcId: string): AwsError =>
  error('MissingInput', `No subnets found for the default VPC '${vpcId}'. Please specify a subnet.`);

export const noDefaultSubnetInZone = (zone: string): AwsError =>
  error('MissingInput', `No default subnet for availability zone: '${zone}'.`);

export const invalidZone = (zone: string): AwsError =>
  invalidParameterValue(`Invalid availability zone: [${zone}]`);

// What belongs elsewhere.

/** A rule names a group of another VPC. */
export const invalidGroupNetworks = (): AwsError =>
  error('InvalidGroup.NotFound', 'You have specified two resources that belong to different networks.');

/** What a service keeps for the account is not the account's to change. */
export const authFailure = (): AwsError =>
  error('AuthFailure', 'You do not have permission to access the specified resource.');

/** Something stands where one only can stand. */
export const alreadyAssociated = (message: string): AwsError => error('Resource.AlreadyAssociated', message);

export const operationNotPermitted = (message: string): AwsError => error('OperationNotPermitted', message);
