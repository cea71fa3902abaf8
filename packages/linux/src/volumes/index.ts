export { linuxVolumes } from './driver.ts';
export { volumePaths } from './paths.ts';
export { openPool, removePool } from './pool.ts';
