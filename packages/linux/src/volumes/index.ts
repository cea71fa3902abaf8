export { missingForVolumes } from './doctor.ts';
export { linuxVolumes } from './driver.ts';
export { volumePaths } from './paths.ts';
export { openPool, removePool } from './pool.ts';
