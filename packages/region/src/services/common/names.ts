/** Ids and ARNs in AWS's form. */
import type { Scope } from './service.ts';

/** A new id: the prefix, a dash, 17 hexadecimal digits; `i-0` and so on begin with 0 as AWS's do. */
export const newId = (scope: Pick<Scope, 'random'>, prefix: string): string =>
  `${prefix}-0${scope.random.hex(8)}`;

/** `arn:aws:<service>:<region>:<account>:<resource>` */
export const arn = (scope: Pick<Scope, 'region' | 'settings'>, service: string, resource: string): string =>
  `arn:aws:${service}:${scope.region}:${scope.settings.accountId}:${resource}`;

/** A UUID of version 4. */
export function newUuid(scope: Pick<Scope, 'random'>): string {
  const hex = scope.random.hex(16);
  const variant = '89ab'[Number.parseInt(hex[16] ?? '0', 16) % 4];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
