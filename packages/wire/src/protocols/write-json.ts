import type { ListShape, MapShape, Shape, StructureShape } from '../model.ts';

/**
 * An output as a value that `JSON.stringify` writes in AWS's form: times are seconds since 1970, blobs base64, members
 * that are undefined or null are left out.
 * @throws TypeError when a value is not of the type that the model says.
 */
export function jsonStructure(value: unknown, shape: StructureShape): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw mismatch(shape, value);
  const fields = value as Record<string, unknown>;
  const out: Record<string, unknown> = {};
  for (const member of shape.members) {
    const field = fields[member.name];
    if (field === undefined || field === null) continue;
    try {
      out[member.name] = jsonValue(field, member.shape);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new TypeError(`${shape.name}.${member.name}: ${error.message}`);
    }
  }
  return out;
}

function jsonValue(value: unknown, shape: Shape): unknown {
  switch (shape.t) {
    case 'structure':
      return jsonStructure(value, shape);
    case 'list':
      return jsonList(value, shape);
    case 'map':
      return jsonMap(value, shape);
    case 'string':
      if (typeof value !== 'string') throw mismatch(shape, value);
      return value;
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(shape, value);
      return value;
    case 'timestamp':
      if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw mismatch(shape, value);
      return value.getTime() / 1000;
    case 'blob':
      if (!(value instanceof Uint8Array)) throw mismatch(shape, value);
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
    default:
      if (typeof value !== 'number' || !Number.isFinite(value)) throw mismatch(shape, value);
      return value;
  }
}

function jsonList(value: unknown, shape: ListShape): unknown[] {
  if (!Array.isArray(value)) throw mismatch(shape, value);
  return value.map((item) => jsonValue(item, shape.element));
}

function jsonMap(value: unknown, shape: MapShape): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw mismatch(shape, value);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined && item !== null);
  return Object.fromEntries(entries.map(([key, item]) => [key, jsonValue(item, shape.value)]));
}

function mismatch(shape: Shape, value: unknown): TypeError {
  return new TypeError(`expected a ${shape.t}, got ${value === null ? 'null' : typeof value}`);
}
