/** Every service of the region. To add one: its folder, and one line here. */
import { autoscalingService } from './autoscaling/index.ts';
import type { Service } from './common/service.ts';
import { ec2Service } from './ec2/index.ts';
import { ec2InstanceConnectService } from './ec2-instance-connect/index.ts';
import { elbv2Service } from './elbv2/index.ts';
import { ssmService } from './ssm/index.ts';
import { stsService } from './sts/index.ts';

export const services: readonly Service[] = [
  autoscalingService,
  ec2Service,
  ec2InstanceConnectService,
  elbv2Service,
  ssmService,
  stsService,
];
