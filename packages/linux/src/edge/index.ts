/** The edge: DNS, instance metadata and the front door, in a process that outlives the region. */
export { missingForEdge } from './doctor.ts';
export { type LinuxEdge, linuxEdge } from './edge-driver.ts';
export {
  type EdgeSupervision,
  edgeStatus,
  removeHostsBlock,
  type SupervisionOptions,
  startEdge,
  stopEdge,
  superviseEdge,
} from './edge-process.ts';
export type { EdgeOptions } from './edge-service.ts';
export { type OpenServers, type VpcListeners, vpcListeners } from './vpc-listeners.ts';
