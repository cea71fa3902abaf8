/** The services whose models are generated. Adding a service is one line here and `npm run generate`. */
export interface ServiceSource {
  /** Holdfast's key for the service, and the name of its model file. */
  readonly service: string;
  readonly client: string;
  /** The service's folder in botocore's data, which also fixes the API version. */
  readonly botocore: string;
  /** The service's name in a credential scope; two services may share one. */
  readonly signingName: string;
  readonly protocol: 'ec2' | 'awsQuery';
}

// biome-ignore format: one service, one line
export const SERVICES: readonly ServiceSource[] = [
  { service: 'ec2', client: '@aws-sdk/client-ec2', botocore: 'ec2/2016-11-15', signingName: 'ec2', protocol: 'ec2' },
  { service: 'sts', client: '@aws-sdk/client-sts', botocore: 'sts/2011-06-15', signingName: 'sts', protocol: 'awsQuery' },
  { service: 'elbv2', client: '@aws-sdk/client-elastic-load-balancing-v2', botocore: 'elbv2/2015-12-01', signingName: 'elasticloadbalancing', protocol: 'awsQuery' },
  { service: 'autoscaling', client: '@aws-sdk/client-auto-scaling', botocore: 'autoscaling/2011-01-01', signingName: 'autoscaling', protocol: 'awsQuery' },
];
