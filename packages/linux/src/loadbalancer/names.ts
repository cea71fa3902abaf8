/**
 * Names inside one HAProxy. Everything that must be known of a running process stands in these names, so that a control
 * process that comes later needs no memory of an earlier one.
 */

/**
 * What a HAProxy server is for. Each target has up to two at a time:
 * - `initial`: checked often, one pass makes it serve. It is exchanged as soon as the target's state is known;
 * - `steady`: checked with the target group's own interval and thresholds;
 * - `open`: a backup without checks, which serves when no target of the group is healthy (fail open).
 */
export type ServerRole = 'initial' | 'steady' | 'open';

export interface ServerName {
  readonly role: ServerRole;
  /** Tells servers of one target apart that follow each other: one may still finish requests when the next serves. */
  readonly serial: number;
  readonly targetId: string;
}

const letters: Readonly<Record<ServerRole, string>> = { initial: 'i', steady: 's', open: 'o' };
const roles: Readonly<Record<string, ServerRole>> = { i: 'initial', s: 'steady', o: 'open' };

export const formatServerName = (name: ServerName): string =>
  `${letters[name.role]}${name.serial}.${name.targetId}`;

/** Undefined for a server that is not ours. */
export function parseServerName(text: string): ServerName | undefined {
  const match = /^([iso])(\d+)\.(.+)$/.exec(text);
  const role = match && roles[match[1]!];
  return role ? { role, serial: Number(match[2]), targetId: match[3]! } : undefined;
}

/** HAProxy's names hold letters, digits and `_ . : -`; ARNs have slashes besides. */
export const backendName = (targetGroupId: string): string => targetGroupId.replace(/[^A-Za-z0-9_.:-]/g, '.');
