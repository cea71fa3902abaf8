import fc from 'fast-check';
import type { Shape, StructureShape } from '../src/model.ts';

/** Values are cut off below this many structures, since some shapes contain themselves. */
const MAX_DEPTH = 4;

/** Any value of a shape, limits aside. Structures and entries always have a member: XML cannot tell `{}`. */
export function valueFor(shape: Shape, depth = 0): fc.Arbitrary<unknown> {
  switch (shape.t) {
    case 'structure':
      return structureOf(shape, depth);
    case 'list':
      return depth >= MAX_DEPTH
        ? fc.constant([])
        : fc.array(valueFor(shape.element, depth + 1), { minLength: 1, maxLength: 3 });
    case 'map':
      return fc.dictionary(text, valueFor(shape.value, depth + 1), {
        minKeys: 1,
        maxKeys: 3,
        noNullPrototype: true,
      });
    case 'string':
      return shape.enum ? fc.constantFrom(...shape.enum) : text;
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer();
    case 'long':
      return fc.maxSafeInteger();
    case 'float':
    case 'number':
      return fc.integer({ min: -1e9, max: 1e9 }).map((number) => number / 64);
    case 'timestamp':
      return fc.date({ min: new Date('1970-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
    case 'blob':
      return fc.uint8Array({ minLength: 1, maxLength: 20 });
  }
}

/** Words around every character that an encoding could get wrong. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '&',
        '<',
        '>',
        '"',
        "'",
        '&amp;',
        ']]>',
        '\r',
        '\n',
        '\t',
        ' ',
        '+',
        '%',
        '=',
        '.',
        '€',
        '😀',
        '\u0085',
        '\u2028',
      ),
      fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' }),
    ),
    { maxLength: 6 },
  )
  .map(
    (parts) =>
      `a${parts
        .join('')
        .toWellFormed()
        .replaceAll(/[\p{Cc}\ufffe\uffff]/gu, (c) => ('\r\n\t\u0085'.includes(c) ? c : ''))}z`,
  );

function structureOf(shape: StructureShape, depth: number): fc.Arbitrary<unknown> {
  // A getter of the model is not followed before its turn, so that deep shapes stay unread.
  const usable = shape.members.filter((member) => depth < MAX_DEPTH || isSimple(member.shape));
  if (usable.length === 0) return fc.constant({});
  return fc
    .shuffledSubarray([...usable], { minLength: 1, maxLength: Math.min(usable.length, 4) })
    .chain((chosen) =>
      fc.record(
        Object.fromEntries(chosen.map((member) => [member.name, valueFor(member.shape, depth + 1)])),
        {
          noNullPrototype: true,
        },
      ),
    );
}

function isSimple(shape: Shape): boolean {
  return shape.t !== 'structure' && shape.t !== 'list' && shape.t !== 'map';
}

/** The value without what is empty: the SDK does not send empty lists and structures. */
export function withoutEmpties(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpties).filter((item) => !isEmpty(item));
  if (typeof value !== 'object' || value === null || value.constructor !== Object) return value;
  const entries = Object.entries(value).map(([name, item]) => [name, withoutEmpties(item)] as const);
  return Object.fromEntries(entries.filter(([, item]) => !isEmpty(item)));
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return (
    typeof value === 'object' &&
    value !== null &&
    value.constructor === Object &&
    Object.keys(value).length === 0
  );
}
