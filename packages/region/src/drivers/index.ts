import type { ComputeDriver } from './compute.ts';
import type { EdgeDriver } from './edge.ts';
import type { LoadBalancerDriver } from './loadbalancer.ts';
import type { NetworkDriver } from './network.ts';
import type { VolumeDriver } from './volume.ts';

/** The data plane, whole: everything the region needs of the machine it runs on. */
export interface Drivers {
  readonly compute: ComputeDriver;
  readonly network: NetworkDriver;
  readonly volumes: VolumeDriver;
  readonly loadBalancer: LoadBalancerDriver;
  readonly edge: EdgeDriver;
}
