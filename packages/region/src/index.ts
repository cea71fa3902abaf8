export {
  type Clock,
  type Random,
  seededRandom,
  systemClock,
  systemRandom,
  type VirtualClock,
  virtualClock,
} from './clock.ts';
export type { Drivers } from './drivers/index.ts';
export { type Log, lineLog, silentLog } from './log.ts';
export { type ApiCall, Region, type RegionOptions } from './region.ts';
export { AwsError } from './services/common/errors.ts';
export type { Principal } from './services/common/service.ts';
export { defaultSettings, type Settings } from './settings.ts';
