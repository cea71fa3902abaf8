import type { Shape, SimpleShape } from '../model.ts';

/** One thing that is wrong with an input. Each protocol words it in its own way. */
export type Violation =
  | { readonly kind: 'unknown' | 'missing' | 'not a list'; readonly path: readonly string[] }
  | {
      readonly kind: 'type';
      readonly path: readonly string[];
      readonly value: string;
      readonly expected: Shape['t'];
    }
  | {
      readonly kind: 'constraint';
      readonly path: readonly string[];
      readonly value: string;
      readonly constraint: Constraint;
    };

export type Constraint =
  | { readonly rule: 'min' | 'max'; readonly of: 'value' | 'length'; readonly limit: number }
  | { readonly rule: 'pattern'; readonly pattern: string }
  | { readonly rule: 'enum'; readonly values: readonly string[]; readonly name: string };

const INT32 = 2 ** 31;
const ISO_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** Longer than any number or time is written; it keeps a megabyte of digits from being looked at for long. */
const MAX_SCALAR_LENGTH = 64;

export type BooleanStyle = 'xsd' | 'any case';

/** The typed value of a parameter's text. */
export function checkText(
  text: string,
  shape: SimpleShape,
  path: readonly string[],
  booleans: BooleanStyle,
): { value: unknown } | { violation: Violation } {
  const value = shape.t === 'boolean' ? parseBoolean(text, booleans) : parse(text, shape);
  if (value !== undefined) return { value };
  return { violation: { kind: 'type', path, value: text, expected: shape.t } };
}

/**
 * Query services take true, false, 1 and 0 and not even `True`, as https://github.com/boto/boto/issues/309 and
 * https://github.com/floci-io/floci/pull/3075 found; EC2 takes any case.
 */
function parseBoolean(text: string, style: BooleanStyle): boolean | undefined {
  const word = style === 'any case' ? text.toLowerCase() : text;
  if (word === 'true') return true;
  if (word === 'false') return false;
  if (style === 'xsd' && (word === '1' || word === '0')) return word === '1';
  return undefined;
}

function parseBase64(text: string): Uint8Array | undefined {
  const compact = text.replaceAll(/\s/g, '');
  return BASE64.test(compact) ? new Uint8Array(Buffer.from(compact, 'base64')) : undefined;
}

function parse(text: string, shape: SimpleShape): unknown {
  if (shape.t === 'string') return text;
  if (shape.t === 'blob') return parseBase64(text);
  if (text.length > MAX_SCALAR_LENGTH) return undefined;
  switch (shape.t) {
    case 'integer': {
      if (!/^[+-]?\d+$/.test(text)) return undefined;
      const number = Number(text);
      return number >= -INT32 && number < INT32 ? number : undefined;
    }
    case 'long': {
      if (!/^[+-]?\d+$/.test(text)) return undefined;
      const big = BigInt(text.replace('+', ''));
      return BigInt.asIntN(64, big) === big ? Number(big) : undefined;
    }
    case 'float':
    case 'number':
      return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined;
    case 'timestamp': {
      if (!ISO_TIME.test(text)) return undefined;
      const date = new Date(text);
      return Number.isNaN(date.getTime()) ? undefined : date;
    }
    default:
      return undefined;
  }
}

export function checkValue(
  value: unknown,
  text: string,
  shape: SimpleShape,
  path: readonly string[],
): Violation[] {
  const broken: Constraint[] = [];
  const measured =
    typeof value === 'number' ? value : typeof value === 'string' ? [...value].length : undefined;
  if (measured !== undefined)
    broken.push(...limits(measured, shape, typeof value === 'number' ? 'value' : 'length'));
  // A pattern is tried only on a value of lawful length, so that no caller can make it run for long.
  if (shape.pattern !== undefined && typeof value === 'string' && broken.length === 0) {
    if (!compiled(shape.pattern).test(value)) broken.push({ rule: 'pattern', pattern: shape.pattern });
  }
  if (shape.enum !== undefined && !shape.enum.includes(text)) {
    broken.push({ rule: 'enum', values: shape.enum, name: shape.name ?? '' });
  }
  return broken.map((constraint) => ({ kind: 'constraint', path, value: text, constraint }));
}

export function checkSize(
  list: readonly unknown[],
  shape: { readonly min?: number; readonly max?: number },
  path: readonly string[],
): Violation[] {
  return limits(list.length, shape, 'length').map((constraint) => ({
    kind: 'constraint',
    path,
    value: `[${list.map(show).join(', ')}]`,
    constraint,
  }));
}

function show(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function limits(
  measured: number,
  shape: { readonly min?: number; readonly max?: number },
  of: 'value' | 'length',
): Constraint[] {
  if (shape.min !== undefined && measured < shape.min) return [{ rule: 'min', of, limit: shape.min }];
  if (shape.max !== undefined && measured > shape.max) return [{ rule: 'max', of, limit: shape.max }];
  return [];
}

const patterns = new Map<string, RegExp>();

function compiled(pattern: string): RegExp {
  let regex = patterns.get(pattern);
  if (regex === undefined) {
    regex = new RegExp(`^(?:${pattern})$`, 'u');
    patterns.set(pattern, regex);
  }
  return regex;
}
