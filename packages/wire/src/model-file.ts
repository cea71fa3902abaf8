/**
 * The form of a generated model file, `models/<service>.json`. Shapes stand in one array and name each other
 * by their index in it; the first ones are the plain simple types, in the order of `PLAIN_TYPES`.
 */
export interface ModelFile {
  readonly service: string;
  readonly version: string;
  readonly protocol: ProtocolName;
  readonly signingName: string;
  /** What stands before the operation's name in `X-Amz-Target`; the JSON protocols only. */
  readonly targetPrefix?: string;
  /** The code by which this service refuses input that its model does not allow, where it is its own. */
  readonly validationCode?: string;
  readonly xmlNamespace: string;
  /** Operation name → [input shape, output shape]; -1 is none. */
  readonly operations: Readonly<Record<string, readonly [input: number, output: number]>>;
  /** Operations that a caller may send unsigned, as AssumeRoleWithWebIdentity. */
  readonly unsigned: readonly string[];
  /** Operations that AWS has and this file does not describe. */
  readonly undescribed: readonly string[];
  readonly shapes: readonly ShapeEntry[];
}

export type ProtocolName = 'ec2' | 'awsQuery' | 'awsJson1_0' | 'awsJson1_1';

/** `number` is a numeric type of which nothing more is known (botocore's copy is older than the SDK's). */
export const PLAIN_TYPES = [
  'string',
  'integer',
  'long',
  'float',
  'number',
  'boolean',
  'timestamp',
  'blob',
] as const;
export type SimpleType = (typeof PLAIN_TYPES)[number];

export type ShapeEntry = SimpleEntry | ListEntry | MapEntry | StructureEntry;

export interface Limits {
  readonly min?: number;
  readonly max?: number;
  /** A regular expression for the whole value, in the syntax of JavaScript's `v`-less `u` mode. */
  readonly pattern?: string;
}

export interface SimpleEntry extends Limits {
  readonly t: SimpleType;
  readonly enum?: readonly string[];
  /** The shape's name, there for enumerations: EC2 words some refusals after it. */
  readonly name?: string;
}

export interface ListEntry extends Limits {
  readonly t: 'list';
  readonly of: number;
  /** The element's XML name. */
  readonly item: string;
}

export interface MapEntry extends Limits {
  readonly t: 'map';
  readonly key: number;
  readonly value: number;
  readonly names: readonly [entry: string, key: string, value: string];
}

export interface StructureEntry {
  readonly t: 'structure';
  readonly name: string;
  readonly m: readonly MemberEntry[];
}

/**
 * A member: its name in the SDK's types, its shape, its flags, and its names in XML and in queries, where
 * they differ from its own name. `1` as XML name means the own name with a small first letter.
 */
export type MemberEntry = readonly [
  name: string,
  shape: number,
  flags?: number,
  xmlName?: string | 0 | 1,
  queryName?: string,
];

export const REQUIRED = 1;
export const FLATTENED = 2;
