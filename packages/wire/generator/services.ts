import type { ProtocolName } from '../src/model-file.ts';

/** The services whose models are generated. Adding a service is one line here and `npm run generate`. */
export interface ServiceSource {
  /** Holdfast's key for the service, and the name of its model file. */
  readonly service: string;
  readonly client: string;
  /** The service's folder in botocore's data, which also fixes the API version. */
  readonly botocore: string;
  /** The service's name in a credential scope; two services may share one. */
  readonly signingName: string;
  readonly protocol: ProtocolName;
  /** The code by which the service refuses input against its model, where it is not its protocol's own. */
  readonly validationCode?: string;
}

// biome-ignore format: one service, one line
export const SERVICES: readonly ServiceSource[] = [
  { service: 'ec2', client: '@aws-sdk/client-ec2', botocore: 'ec2/2016-11-15', signingName: 'ec2', protocol: 'ec2' },
  { service: 'sts', client: '@aws-sdk/client-sts', botocore: 'sts/2011-06-15', signingName: 'sts', protocol: 'awsQuery' },
  { service: 'elbv2', client: '@aws-sdk/client-elastic-load-balancing-v2', botocore: 'elbv2/2015-12-01', signingName: 'elasticloadbalancing', protocol: 'awsQuery' },
  { service: 'autoscaling', client: '@aws-sdk/client-auto-scaling', botocore: 'autoscaling/2011-01-01', signingName: 'autoscaling', protocol: 'awsQuery' },
  { service: 'ssm', client: '@aws-sdk/client-ssm', botocore: 'ssm/2014-11-06', signingName: 'ssm', protocol: 'awsJson1_1' },
  { service: 'ec2-instance-connect', client: '@aws-sdk/client-ec2-instance-connect', botocore: 'ec2-instance-connect/2018-04-02', signingName: 'ec2-instance-connect', protocol: 'awsJson1_1', validationCode: 'InvalidArgsException' },
];
