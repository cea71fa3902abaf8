/** Machines on this host: the driver, its image, and what it lacks. */
export { type BuildOptions, buildBaseImage, listBaseImages } from '../images/base.ts';
export { ImportRefusal, type ImportRequest, importImage, listImportedImages } from '../images/import.ts';
export { missingForCompute } from './doctor.ts';
export {
  type LinuxCompute,
  type LinuxComputeOptions,
  linuxCompute,
  type OneMachine,
  openMachine,
  removeAll,
} from './driver.ts';
export type { ExecOptions } from './exec.ts';
export { initPidOf } from './record.ts';
