/** Elastic Load Balancing's error codes, each with AWS's own wording where it is known. */
import { AwsError, unsupported } from '../common/errors.ts';

export const errors = {
  loadBalancerNotFound: (what: string) =>
    new AwsError('LoadBalancerNotFound', `Load balancer '${what}' not found`),
  loadBalancersNotFound: () => new AwsError('LoadBalancerNotFound', 'One or more load balancers not found'),
  loadBalancerNamesNotFound: (names: readonly string[]) =>
    new AwsError('LoadBalancerNotFound', `Load balancers '[${names.join(', ')}]' not found`),
  targetGroupNotFound: () => new AwsError('TargetGroupNotFound', 'One or more target groups not found'),
  listenerNotFound: () => new AwsError('ListenerNotFound', 'One or more listeners not found'),
  ruleNotFound: () => new AwsError('RuleNotFound', 'One or more rules not found'),
  duplicateLoadBalancer: (name: string) =>
    new AwsError(
      'DuplicateLoadBalancerName',
      `A load balancer with the same name '${name}' exists, but with different settings`,
    ),
  duplicateTargetGroup: (name: string) =>
    new AwsError(
      'DuplicateTargetGroupName',
      `A target group with the same name '${name}' exists, but with different settings`,
    ),
  duplicateListener: (loadBalancerArn: string) =>
    new AwsError(
      'DuplicateListener',
      `A listener already exists on this port for this load balancer '${loadBalancerArn}'`,
    ),
  targetGroupInUse: (targetGroupArn: string) =>
    new AwsError(
      'ResourceInUse',
      `Target group '${targetGroupArn}' is currently in use by a listener or a rule`,
    ),
  deletionProtected: (loadBalancerArn: string) =>
    new AwsError(
      'OperationNotPermitted',
      `Load balancer '${loadBalancerArn}' cannot be deleted because deletion protection is enabled`,
    ),
  associationLimit: (targetGroupArn: string) =>
    new AwsError(
      'TargetGroupAssociationLimit',
      `The following target groups cannot be associated with more than one load balancer: ${targetGroupArn}`,
    ),
  subnetNotFound: (subnetId: string) =>
    new AwsError('SubnetNotFound', `The subnet ID '${subnetId}' does not exist`),
  invalidSubnet: (message: string) => new AwsError('InvalidSubnet', message),
  invalidSecurityGroup: (message: string) => new AwsError('InvalidSecurityGroup', message),
  invalidConfiguration: (message: string) => new AwsError('InvalidConfigurationRequest', message),
  invalidTarget: (message: string) => new AwsError('InvalidTarget', message),
  invalidAction: (message: string) => new AwsError('InvalidLoadBalancerAction', message),
  duplicateTagKeys: () =>
    new AwsError('DuplicateTagKeys', 'The tag keys provided in the request contain duplicates'),
  validation: (message: string) => new AwsError('ValidationError', message),
  unsupported,
} as const;
