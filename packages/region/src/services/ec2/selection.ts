/** What every Describe call of EC2 has in common: ids that must exist, filters, pages. */
import { createHash } from 'node:crypto';
import type { Resource, Tags } from '../../store/resource.ts';
import type { AwsError } from '../common/errors.ts';
import { applyFilters, type Filter, type FilterFields } from '../common/filters.ts';
import { listingPosition, paginate } from '../common/pagination.ts';
import type { Scope } from '../common/service.ts';
import * as errors from './errors.ts';

export interface DescribeInput {
  readonly Filters?: readonly Filter[] | undefined;
  readonly MaxResults?: number | undefined;
  readonly NextToken?: string | undefined;
}

export interface Selection<T> {
  /** The call's name. */
  readonly call: string;
  readonly items: readonly T[];
  /** The ids that the caller asked for; none or absent: all. */
  readonly ids?: readonly string[] | undefined;
  readonly notFound: (id: string) => AwsError;
  readonly fields: FilterFields<T>;
  /** The lowest MaxResults that the call takes; most take 5. */
  readonly fewest?: number;
}

type Item = Pick<Resource, 'id' | 'tags' | 'ordinal'>;

function named<T extends Item>({ items, ids, notFound }: Selection<T>): readonly T[] {
  if (!ids || ids.length === 0) return items;
  const byId = new Map(items.map((item) => [item.id, item]));
  return [...new Set(ids)].map((id) => {
    const item = byId.get(id);
    if (!item) throw notFound(id);
    return item;
  });
}

/** One page of what the caller asks for. Throws the selection's `notFound`, `InvalidParameterValue`, `InvalidNextToken`. */
export function select<T extends Item>(
  scope: Scope,
  input: DescribeInput,
  selection: Selection<T>,
): { items: T[]; NextToken: string | undefined } {
  const fewest = selection.fewest ?? 5;
  const limit = input.MaxResults;
  if (limit !== undefined && (limit < fewest || limit > 1000)) {
    throw errors.invalidParameterValue(
      `Value ( ${limit} ) for parameter maxResults is invalid. Expecting a value between ${fewest} and 1000.`,
    );
  }
  const asked = JSON.stringify({ ...input, MaxResults: undefined, NextToken: undefined });
  const digest = createHash('sha256').update(asked).digest('hex').slice(0, 12);
  const tagsOf = (item: T): Tags => item.tags;
  const matching = applyFilters(named(selection), input.Filters, selection.fields, tagsOf);
  const { items, nextToken } = paginate(scope, matching, listingPosition, {
    call: `${selection.call}/${digest}`,
    token: input.NextToken,
    limit,
    invalid: errors.invalidNextToken,
  });
  return { items, NextToken: nextToken };
}

/** How filters spell a truth value. */
export const truth = (value: boolean): string => (value ? 'true' : 'false');
