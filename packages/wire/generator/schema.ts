/**
 * Readers for the schemas that the `@aws-sdk/client-*` v3 packages export. A schema is a number (a simple
 * type, or a list or map of one), an array that begins with its kind, a function that gives one of these, or
 * a pair of one of these and a member's traits.
 */
export type Schema = number | string | readonly unknown[] | (() => Schema);

export type Traits = Readonly<Record<string, string | number>>;

export interface SchemaMember {
  readonly schema: Schema;
  readonly traits: Traits;
}

const KIND = { simple: 0, list: 1, map: 2, structure: 3, union: 4, operation: 9 } as const;
const LIST_OF = 64;
const MAP_OF = 128;

export interface SchemaOperation {
  readonly name: string;
  readonly input: Schema;
  readonly output: Schema;
}

/** The operations of a client package's exports. */
export function operationsOf(exports: Record<string, unknown>): SchemaOperation[] {
  return Object.values(exports)
    .filter((value): value is readonly unknown[] => Array.isArray(value) && value[0] === KIND.operation)
    .map((value) => ({
      name: value[2] as string,
      input: value[4] as Schema,
      output: value[5] as Schema,
    }));
}

/** Takes functions and member traits off; what remains is a number, a string or an array with a kind. */
export function unwrap(schema: Schema): SchemaMember {
  let traits: Traits = {};
  let current = schema;
  for (;;) {
    if (typeof current === 'function') current = current();
    else if (Array.isArray(current) && current.length === 2) {
      const own = current[1] as number | Traits;
      if (typeof own === 'object') traits = { ...own, ...traits };
      current = current[0] as Schema;
    } else return { schema: current, traits };
  }
}

export type SchemaType =
  | { kind: 'structure'; name: string; members: { name: string; schema: Schema }[]; required: number }
  | { kind: 'list'; name: string | undefined; element: Schema }
  | { kind: 'map'; name: string | undefined; key: Schema; value: Schema }
  | { kind: 'simple'; type: 'string' | 'number' | 'boolean' | 'timestamp' | 'blob' }
  | { kind: 'unit' };

export function typeOf(schema: Schema): SchemaType {
  const { schema: bare } = unwrap(schema);
  if (bare === 'unit') return { kind: 'unit' };
  if (typeof bare === 'number') {
    if (bare >= MAP_OF) return { kind: 'map', name: undefined, key: 0, value: bare - MAP_OF };
    if (bare >= LIST_OF) return { kind: 'list', name: undefined, element: bare - LIST_OF };
    return { kind: 'simple', type: simpleType(bare) };
  }
  if (!Array.isArray(bare)) throw new Error(`unknown schema ${String(bare)}`);
  const name = bare[2] as string;
  switch (bare[0]) {
    case KIND.simple:
      return typeOf(bare[4] as Schema);
    case KIND.list:
      return { kind: 'list', name, element: bare[4] as Schema };
    case KIND.map:
      return { kind: 'map', name, key: bare[4] as Schema, value: bare[5] as Schema };
    case KIND.structure:
    case KIND.union: {
      const names = bare[4] as string[];
      const schemas = bare[5] as Schema[];
      const members = names.map((member, index) => ({ name: member, schema: schemas[index]! }));
      return { kind: 'structure', name, members, required: (bare[6] as number | undefined) ?? 0 };
    }
    default:
      throw new Error(`schema ${name} is of the unknown kind ${String(bare[0])}`);
  }
}

function simpleType(code: number): 'string' | 'number' | 'boolean' | 'timestamp' | 'blob' {
  if (code === 0) return 'string';
  if (code === 1) return 'number';
  if (code === 2) return 'boolean';
  if (code >= 4 && code <= 7) return 'timestamp';
  if (code === 21) return 'blob';
  throw new Error(`no protocol here carries the simple type ${code}`);
}
