import type { ListShape, MapShape, Shape, SimpleShape, StructureShape } from '../model.ts';
import { checkSize, checkText, checkValue, type Violation } from './check.ts';
import type { Decoded } from './decode-query.ts';

/** Reads an operation's input out of a JSON document and checks it against its model on the way. */
export function decodeJson(document: unknown, shape: StructureShape | undefined): Decoded {
  const reader = new JsonReader();
  const input = reader.structure(document, shape ?? { t: 'structure', name: '', members: [] }, []);
  return { input: input ?? {}, violations: reader.violations };
}

type Path = readonly string[];

/** Enough to tell a caller; the rest of a request that is nothing but faults is not kept. */
const MAX_VIOLATIONS = 100;
/** Far deeper than any real input: some shapes contain themselves, and a hostile one would fill the stack. */
const MAX_DEPTH = 200;

class JsonReader {
  readonly violations: Violation[] = [];

  structure(value: unknown, shape: StructureShape, path: Path): Record<string, unknown> | undefined {
    if (!isObject(value)) return this.wrongType(value, shape, path);
    const input: Record<string, unknown> = {};
    const known = new Set<string>();
    for (const member of shape.members) {
      known.add(member.name);
      const given = Object.hasOwn(value, member.name) ? value[member.name] : undefined;
      // A member that is null is a member that is not there.
      // https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
      if (given !== undefined && given !== null) {
        const read = this.value(given, member.shape, [...path, member.name]);
        if (read !== undefined) input[member.name] = read;
      } else if (member.required) {
        this.report({ kind: 'missing', path: [...path, member.name] });
      }
    }
    for (const name of Object.keys(value)) {
      if (!known.has(name)) this.report({ kind: 'unknown', path: [...path, name] });
    }
    return input;
  }

  private value(value: unknown, shape: Shape, path: Path): unknown {
    if (path.length > MAX_DEPTH) return this.wrongType(value, shape, path.slice(0, 5));
    switch (shape.t) {
      case 'structure':
        return this.structure(value, shape, path);
      case 'list':
        return this.list(value, shape, path);
      case 'map':
        return this.map(value, shape, path);
      default:
        return this.simple(value, shape, path);
    }
  }

  private list(value: unknown, shape: ListShape, path: Path): unknown[] | undefined {
    if (!Array.isArray(value)) return this.wrongType(value, shape, path);
    const list: unknown[] = [];
    for (const [index, item] of value.entries()) {
      const itemPath = [...path, String(index + 1), 'member'];
      if (item === null) this.report({ kind: 'missing', path: itemPath });
      else list.push(this.value(item, shape.element, itemPath));
    }
    this.report(...checkSize(list, shape, path));
    return list;
  }

  private map(value: unknown, shape: MapShape, path: Path): Record<string, unknown> | undefined {
    if (!isObject(value)) return this.wrongType(value, shape, path);
    const entries: [string, unknown][] = [];
    for (const [key, item] of Object.entries(value)) {
      const itemPath = [...path, key, 'member'];
      if (item === null) this.report({ kind: 'missing', path: itemPath });
      else entries.push([String(this.simple(key, shape.key, path)), this.value(item, shape.value, itemPath)]);
    }
    this.report(...checkSize(entries, shape, path));
    return Object.fromEntries(entries);
  }

  private simple(value: unknown, shape: Shape, path: Path): unknown {
    const simple = shape as SimpleShape;
    const read = readSimple(value, simple);
    if (read === undefined) return this.wrongType(value, shape, path);
    this.report(...checkValue(read, String(value), simple, path));
    return read;
  }

  private wrongType(value: unknown, shape: Shape, path: Path): undefined {
    this.report({ kind: 'type', path, value: tokenOf(value), expected: shape.t });
    return undefined;
  }

  private report(...violations: Violation[]): void {
    for (const violation of violations) {
      if (this.violations.length < MAX_VIOLATIONS) this.violations.push(violation);
    }
  }
}

/** The typed value, undefined for one of another type. Each type has one form in JSON, and only that is taken. */
function readSimple(value: unknown, shape: SimpleShape): unknown {
  switch (shape.t) {
    case 'string':
      return typeof value === 'string' ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'timestamp': {
      if (typeof value !== 'number') return undefined;
      const date = new Date(value * 1000);
      return Number.isNaN(date.getTime()) ? undefined : date;
    }
    case 'blob': {
      if (typeof value !== 'string') return undefined;
      const checked = checkText(value, shape, [], 'xsd');
      return 'value' in checked ? checked.value : undefined;
    }
    case 'float':
    case 'number':
      if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
      return typeof value === 'number' ? value : undefined;
    default: {
      if (typeof value !== 'number' || !Number.isInteger(value)) return undefined;
      const checked = checkText(BigInt(value).toString(), shape, [], 'xsd');
      return 'value' in checked ? checked.value : undefined;
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What AWS's parser calls a value that it did not look for. */
function tokenOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  switch (typeof value) {
    case 'object':
      return value === null ? 'NULL_VALUE' : 'structure';
    case 'boolean':
      return value ? 'TRUE_VALUE' : 'FALSE_VALUE';
    case 'number':
      return Number.isInteger(value) ? 'NUMBER_VALUE' : 'DECIMAL_VALUE';
    default:
      return 'STRING_VALUE';
  }
}
