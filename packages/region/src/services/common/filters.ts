/**
 * Filters of the EC2 family: names are matched exactly, values may hold `*` and `?` (escaped by a backslash); the values
 * of one filter are alternatives, several filters must all match.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
 */
import type { Tags } from '../../store/resource.ts';
import { AwsError } from './errors.ts';

export interface Filter {
  readonly Name?: string | undefined;
  readonly Values?: readonly string[] | undefined;
}

/** What a filter of this name is compared with: one value, several (any may match), or none (nothing matches). */
export type FilterFields<T> = Readonly<Record<string, (item: T) => string | readonly string[] | undefined>>;

/** The pattern as an anchored regular expression. */
export function wildcard(pattern: string): RegExp {
  const source = pattern.replace(/\\([*?\\])|([*?])|[\s\S]/g, (whole, escaped?: string, wild?: string) => {
    if (wild) return wild === '*' ? '[\\s\\S]*' : '[\\s\\S]';
    return (escaped ?? whole).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${source}$`);
}

type Test<T> = (item: T) => boolean;

function testOf<T>(
  filter: Filter,
  fields: FilterFields<T>,
  tagsOf: ((item: T) => Tags) | undefined,
): Test<T> {
  const name = filter.Name ?? '';
  const patterns = (filter.Values ?? []).map(wildcard);
  const matches = (value: string): boolean => patterns.some((pattern) => pattern.test(value));
  if (tagsOf && name.startsWith('tag:')) {
    const key = name.slice(4);
    return (item) => {
      const value = tagsOf(item)[key];
      return value !== undefined && matches(value);
    };
  }
  if (tagsOf && name === 'tag-key') return (item) => Object.keys(tagsOf(item)).some(matches);
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (!field) throw new AwsError('InvalidParameterValue', `The filter '${name}' is invalid`);
  return (item) => {
    const value = field(item);
    if (value === undefined) return false;
    return typeof value === 'string' ? matches(value) : value.some(matches);
  };
}

/** The items that all filters match. Throws `InvalidParameterValue` for a filter that the call does not have. */
export function applyFilters<T>(
  items: readonly T[],
  filters: readonly Filter[] | undefined,
  fields: FilterFields<T>,
  tagsOf?: (item: T) => Tags,
): T[] {
  const tests = (filters ?? []).map((filter) => testOf(filter, fields, tagsOf));
  return items.filter((item) => tests.every((test) => test(item)));
}
