/** Access keys that the region issued. Any other key is the account's root from loopback, and nobody from elsewhere. */
import type { TimeMs } from '../../clock.ts';
import { resourceType } from '../../store/resource.ts';
import type { Principal } from '../common/service.ts';

export interface AccessKeySpec {
  readonly secretAccessKey: string;
  /** Temporary keys only. */
  readonly sessionToken?: string;
  readonly expiresAt?: TimeMs;
  readonly principal: Principal;
}

/** In the region `global`; the id is the access key id. */
export const accessKeys = resourceType<AccessKeySpec, null>('sts.access-key');
