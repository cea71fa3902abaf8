/**
 * Who else may launch an image, or make volumes of a snapshot. One account lives here, so that nobody is let in or kept out
 * by them: they are kept and shown, for tools that set them.
 */
import { invalidParameterValue } from '../errors.ts';

export type Permission = { readonly userId: string } | { readonly group: 'all' };

interface Entry {
  readonly UserId?: string | undefined;
  readonly Group?: string | undefined;
}

interface ByName {
  readonly OperationType?: string | undefined;
  readonly UserIds?: readonly string[] | undefined;
  readonly UserGroups?: readonly string[] | undefined;
  readonly GroupNames?: readonly string[] | undefined;
}

interface Lists {
  readonly Add?: readonly Entry[] | undefined;
  readonly Remove?: readonly Entry[] | undefined;
}

export interface PermissionChange {
  readonly add: readonly Permission[];
  readonly remove: readonly Permission[];
}

function permission({ UserId, Group }: Entry): Permission {
  if (Group !== undefined && Group !== '') {
    if (Group === 'all') return { group: 'all' };
    throw invalidParameterValue(`Invalid value '${Group}' for the group of a permission. It must be 'all'.`);
  }
  if (UserId && /^\d{12}$/.test(UserId)) return { userId: UserId };
  throw invalidParameterValue(`Invalid value '${UserId ?? ''}' for the user id of a permission.`);
}

/** What a call wants changed, said by lists or by an operation's name; undefined when it says nothing. */
export function changedPermissions(input: ByName, lists: Lists | undefined): PermissionChange | undefined {
  const groups = [...(input.UserGroups ?? []), ...(input.GroupNames ?? [])];
  const named = [
    ...(input.UserIds ?? []).map((UserId) => permission({ UserId })),
    ...groups.map((Group) => permission({ Group })),
  ];
  const add = (lists?.Add ?? []).map(permission);
  const remove = (lists?.Remove ?? []).map(permission);
  if (named.length + add.length + remove.length === 0) return undefined;
  if (named.length > 0 && input.OperationType !== 'add' && input.OperationType !== 'remove') {
    throw invalidParameterValue(`Invalid value '${input.OperationType ?? ''}' for OperationType.`);
  }
  return input.OperationType === 'remove'
    ? { add, remove: [...remove, ...named] }
    : { add: [...add, ...named], remove };
}

const textOf = (one: Permission): string => ('group' in one ? `group ${one.group}` : one.userId);

export function permissionsAfter(
  before: readonly Permission[] = [],
  { add, remove }: PermissionChange,
): Permission[] {
  const all = new Map([...before, ...add].map((one) => [textOf(one), one]));
  for (const one of remove) all.delete(textOf(one));
  return [...all.values()];
}

export const shapePermission = (one: Permission): { Group: 'all' } | { UserId: string } =>
  'group' in one ? { Group: 'all' } : { UserId: one.userId };
