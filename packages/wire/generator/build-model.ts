import {
  FLATTENED,
  type Limits,
  type MemberEntry,
  type ModelFile,
  PLAIN_TYPES,
  type ProtocolName,
  REQUIRED,
  type ShapeEntry,
  type SimpleType,
} from '../src/model-file.ts';
import type { BotocoreModel, BotocoreRef, BotocoreShape } from './botocore.ts';
import { operationsOf, type Schema, type SchemaType, typeOf, unwrap } from './schema.ts';
import type { ServiceSource } from './services.ts';

/** Only what a caller sends is checked, so limits stand on shapes of inputs alone. */
type Direction = 'input' | 'output';

export function buildModel(
  source: ServiceSource,
  client: Record<string, unknown>,
  botocore: BotocoreModel,
): ModelFile {
  const builder = new ModelBuilder(source, botocore);
  const described = operationsOf(client).sort((a, b) => (a.name < b.name ? -1 : 1));
  const operations: Record<string, [number, number]> = {};
  for (const { name, input } of described) {
    operations[name] = [builder.add(input, botocore.operations[name]?.input, 'input'), -1];
  }
  // Outputs come after all inputs: a shape that is used both ways keeps its limits.
  for (const { name, output } of described) {
    operations[name]![1] = builder.add(output, botocore.operations[name]?.output, 'output');
  }
  const known = Object.keys(botocore.operations).sort();
  return {
    service: source.service,
    version: botocore.metadata.apiVersion,
    protocol: source.protocol,
    signingName: source.signingName,
    ...(isJson(source.protocol) && { targetPrefix: botocore.metadata.targetPrefix! }),
    ...(source.validationCode !== undefined && { validationCode: source.validationCode }),
    xmlNamespace: botocore.metadata.xmlNamespace ?? '',
    unsigned: known.filter((name) => botocore.operations[name]?.authtype === 'none'),
    undescribed: known.filter((name) => operations[name] === undefined),
    operations,
    shapes: builder.shapes,
  };
}

/** Walks the SDK's schemas and botocore's shapes side by side: the two name simple shapes differently. */
class ModelBuilder {
  readonly shapes: ShapeEntry[] = PLAIN_TYPES.map((t) => ({ t }));
  private readonly source: ServiceSource;
  private readonly botocore: BotocoreModel;
  private readonly indexes = new Map<string, number>();

  constructor(source: ServiceSource, botocore: BotocoreModel) {
    this.source = source;
    this.botocore = botocore;
  }

  /** The shape's index, -1 for no shape. */
  add(schema: Schema, ref: BotocoreRef | undefined, direction: Direction): number {
    const type = typeOf(schema);
    const limits = this.botocoreShape(type, ref);
    switch (type.kind) {
      case 'unit':
        return -1;
      case 'simple':
        return this.addSimple(type.type, ref, limits, direction);
      case 'structure':
        return this.reserve(`structure ${type.name}`, () => ({
          t: 'structure',
          name: type.name,
          m: type.members.map((member, index) =>
            this.member(member, index < type.required, limits, direction),
          ),
        }));
      case 'list':
        return this.reserve(`list ${type.name ?? `of ${String(type.element)}`} ${ref?.shape}`, () => ({
          t: 'list',
          of: this.add(type.element, limits?.member, direction),
          item: xmlNameOf(type.element) ?? 'member',
          ...limitsOf(limits, direction),
        }));
      case 'map':
        return this.reserve(`map ${type.name ?? `of ${String(type.value)}`} ${ref?.shape}`, () => ({
          t: 'map',
          key: this.add(type.key, limits?.key, direction),
          value: this.add(type.value, limits?.value, direction),
          names: ['entry', xmlNameOf(type.key) ?? 'key', xmlNameOf(type.value) ?? 'value'],
          ...limitsOf(limits, direction),
        }));
    }
  }

  /** A shape below an operation that only the SDK has yet is found by its name. */
  private botocoreShape(type: SchemaType, ref: BotocoreRef | undefined): BotocoreShape | undefined {
    if (ref !== undefined) return this.botocore.shapes[ref.shape];
    const byName = 'name' in type && type.name !== undefined ? this.botocore.shapes[type.name] : undefined;
    return byName?.type === type.kind ? byName : undefined;
  }

  private addSimple(
    type: 'string' | 'number' | 'boolean' | 'timestamp' | 'blob',
    ref: BotocoreRef | undefined,
    limits: BotocoreShape | undefined,
    direction: Direction,
  ): number {
    const t: SimpleType = type === 'number' ? numericType(limits) : type;
    const values = direction === 'input' ? limits?.enum : undefined;
    const entry: ShapeEntry = {
      t,
      ...limitsOf(limits, direction),
      ...(values && { enum: values, name: ref!.shape }),
    };
    if (Object.keys(entry).length === 1) return PLAIN_TYPES.indexOf(t);
    return this.reserve(`simple ${ref!.shape}`, () => entry);
  }

  /** Takes the index before the entry is made, because shapes refer to themselves. */
  private reserve(key: string, make: () => ShapeEntry): number {
    const known = this.indexes.get(key);
    if (known !== undefined) return known;
    const index = this.shapes.push({ t: 'string' }) - 1;
    this.indexes.set(key, index);
    this.shapes[index] = make();
    return index;
  }

  private member(
    { name, schema }: { name: string; schema: Schema },
    requiredBySdk: boolean,
    structure: BotocoreShape | undefined,
    direction: Direction,
  ): MemberEntry {
    const { traits } = unwrap(schema);
    const shape = this.add(schema, structure?.members?.[name], direction);
    const required = requiredBySdk || (structure?.required?.includes(name) ?? false);
    const flags = (required ? REQUIRED : 0) | (traits.xmlFlattened ? FLATTENED : 0);
    const xmlName = (traits.xmlName as string | undefined) ?? name;
    // An EC2 member without a query name is sent under its XML name with a capital first letter.
    const sentAs =
      this.source.protocol === 'ec2'
        ? ((traits.ec2QueryName as string | undefined) ?? xmlName[0]!.toUpperCase() + xmlName.slice(1))
        : xmlName;
    const entry: [string, number, number, string | 0 | 1, string] = [
      name,
      shape,
      flags,
      shortXmlName(name, xmlName),
      sentAs === name ? '' : sentAs,
    ];
    return trimmed(entry);
  }
}

const isJson = (protocol: ProtocolName): boolean => protocol === 'awsJson1_0' || protocol === 'awsJson1_1';

function shortXmlName(name: string, xmlName: string): string | 0 | 1 {
  if (xmlName === name) return 0;
  return xmlName === name[0]!.toLowerCase() + name.slice(1) ? 1 : xmlName;
}

function trimmed(entry: readonly unknown[]): MemberEntry {
  let length = entry.length;
  while (length > 2 && (entry[length - 1] === 0 || entry[length - 1] === '')) length--;
  return entry.slice(0, length) as unknown as MemberEntry;
}

function xmlNameOf(schema: Schema): string | undefined {
  return unwrap(schema).traits.xmlName as string | undefined;
}

function numericType(shape: BotocoreShape | undefined): SimpleType {
  switch (shape?.type) {
    case 'integer':
    case 'long':
      return shape.type;
    case 'float':
    case 'double':
      return 'float';
    default:
      return 'number';
  }
}

function limitsOf(shape: BotocoreShape | undefined, direction: Direction): Limits {
  if (shape === undefined || direction === 'output') return {};
  const { min, max, pattern } = shape;
  return {
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(pattern !== undefined && shape.type === 'string' && { pattern: javascriptPattern(pattern) }),
  };
}

/** Patterns are written for Java: code points beyond 16 bits and needless escapes are put in JavaScript's way. */
function javascriptPattern(pattern: string): string {
  const converted = pattern
    .replaceAll('\\u10000-\\u10FFFF', '\\u{10000}-\\u{10FFFF}')
    .replace(/\\([:_@#"'<>=,;%&!~` ])/g, '$1')
    // A hyphen needs its escape inside a class and may have none outside.
    .replace(/\[(?:\\.|[^\]\\])*\]|\\-/g, (part) => (part === '\\-' ? '-' : part))
    .replace(/^\(\?([a-z]+)\)(.*)$/s, '(?$1:$2)');
  new RegExp(converted, 'u');
  return converted;
}
