/** Every service of the region. To add one: its folder, and one line here. */
import { autoscalingService } from './autoscaling/index.ts';
import type { Service } from './common/service.ts';
import { ec2Service } from './ec2/index.ts';
import { elbv2Service } from './elbv2/index.ts';
import { ssmService } from './ssm/index.ts';
import { stsService } from './sts/index.ts';

export const services: readonly Service[] = [
  autoscalingService,
  ec2Service,
  elbv2Service,
  ssmService,
  stsService,
];
