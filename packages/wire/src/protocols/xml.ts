import type { ListShape, MapShape, Member, Shape, StructureShape } from '../model.ts';

export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** Characters that XML text cannot hold as they are, or that a parser would change. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const SPECIAL = /[&<>\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\ud800-\udfff\ufffe\uffff]/;
const SPECIALS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[&<>\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\ufffe\uffff]/g;

/**
 * Text as XML character data. Carriage returns and the like are written as references, since a parser would
 * turn them into line feeds; characters that XML 1.0 cannot carry at all become U+FFFD.
 * https://www.w3.org/TR/xml/#charsets
 */
export function escapeXml(text: string): string {
  if (!SPECIAL.test(text)) return text;
  return text.toWellFormed().replace(SPECIALS, (character) => {
    switch (character) {
      case '&':
        return '&amp;';
      case '<':
        return '&lt;';
      case '>':
        return '&gt;';
      default: {
        const code = character.charCodeAt(0);
        const carried = code === 0x0d || (code >= 0x7f && code < 0xfffe);
        return carried ? `&#x${code.toString(16).toUpperCase()};` : '\ufffd';
      }
    }
  });
}

/** Writes a value's content; a member's writer writes its tags too. */
type Writer = (value: unknown) => string;

/**
 * The elements of a structure's members that are there, without a tag around them.
 * @throws TypeError when a value is not of the type that the model says.
 */
export function writeStructure(value: unknown, shape: StructureShape): string {
  return contentWriter(shape)(value);
}

const writers = new WeakMap<Shape, Writer>();

function contentWriter(shape: Shape): Writer {
  const known = writers.get(shape);
  if (known !== undefined) return known;
  const writer = shape.t === 'structure' ? structureWriter(shape) : simpleWriter(shape);
  writers.set(shape, writer);
  return writer;
}

/** Compiles a structure once: what is the same in each value (names, tags) is not worked out again. */
function structureWriter(shape: StructureShape): Writer {
  let members: { name: string; write: Writer }[] | undefined;
  return (value) => {
    // Compiled on first use, not before, because structures refer to themselves.
    members ??= shape.members.map((member) => ({ name: member.name, write: memberWriter(member) }));
    if (typeof value !== 'object' || value === null) throw mismatch(shape, value);
    const fields = value as Record<string, unknown>;
    let out = '';
    for (const member of members) {
      const field = fields[member.name];
      if (field === undefined || field === null) continue;
      try {
        out += member.write(field);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        throw new TypeError(`${shape.name}.${member.name}: ${error.message}`);
      }
    }
    return out;
  };
}

function memberWriter(member: Member): Writer {
  return elementWriter(member.xmlName, member.shape, member.flattened);
}

function elementWriter(name: string, shape: Shape, flattened = false): Writer {
  if (shape.t === 'list') return listWriter(name, shape, flattened);
  if (shape.t === 'map') return mapWriter(name, shape, flattened);
  const [open, close, empty] = [`<${name}>`, `</${name}>`, `<${name}/>`];
  const write = contentWriter(shape);
  return (value) => {
    const content = write(value);
    return content === '' ? empty : open + content + close;
  };
}

function listWriter(name: string, shape: ListShape, flattened: boolean): Writer {
  const [open, close, empty] = flattened ? ['', '', ''] : [`<${name}>`, `</${name}>`, `<${name}/>`];
  let element: Writer | undefined;
  return (value) => {
    if (!Array.isArray(value)) throw mismatch(shape, value);
    if (value.length === 0) return empty;
    element ??= elementWriter(flattened ? name : shape.item, shape.element);
    let out = open;
    for (const item of value) out += element(item);
    return out + close;
  };
}

function mapWriter(name: string, shape: MapShape, flattened: boolean): Writer {
  const [entryName, keyName, valueName] = shape.names;
  const entry = flattened ? name : entryName;
  const [open, close, empty] = flattened ? ['', '', ''] : [`<${name}>`, `</${name}>`, `<${name}/>`];
  return (value) => {
    if (typeof value !== 'object' || value === null) throw mismatch(shape, value);
    const entries = Object.entries(value).filter(([, item]) => item !== undefined && item !== null);
    if (entries.length === 0) return empty;
    const write = elementWriter(valueName, shape.value);
    const items = entries.map(
      ([key, item]) => `<${entry}><${keyName}>${escapeXml(key)}</${keyName}>${write(item)}</${entry}>`,
    );
    return open + items.join('') + close;
  };
}

function simpleWriter(shape: Shape): Writer {
  switch (shape.t) {
    case 'string':
      return (value) => {
        if (typeof value !== 'string') throw mismatch(shape, value);
        return escapeXml(value);
      };
    case 'boolean':
      return (value) => {
        if (typeof value !== 'boolean') throw mismatch(shape, value);
        return value ? 'true' : 'false';
      };
    case 'timestamp':
      return (value) => {
        if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw mismatch(shape, value);
        return value.toISOString();
      };
    case 'blob':
      return (value) => {
        if (!(value instanceof Uint8Array)) throw mismatch(shape, value);
        return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
      };
    default:
      return (value) => {
        if (typeof value !== 'number' || !Number.isFinite(value)) throw mismatch(shape, value);
        return String(value);
      };
  }
}

function mismatch(shape: Shape, value: unknown): TypeError {
  return new TypeError(`expected a ${shape.t}, got ${value === null ? 'null' : typeof value}`);
}

/** An error's further members as elements, after its code and message. */
export function errorFields(error: { readonly fields?: Readonly<Record<string, unknown>> }): string {
  return Object.entries(error.fields ?? {})
    .map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`)
    .join('');
}
