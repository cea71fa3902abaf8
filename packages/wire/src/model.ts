import { readFileSync } from 'node:fs';
import {
  FLATTENED,
  type ModelFile,
  type ProtocolName,
  REQUIRED,
  type ShapeEntry,
  type SimpleEntry,
} from './model-file.ts';

export type SimpleShape = SimpleEntry;

export interface ListShape {
  readonly t: 'list';
  readonly element: Shape;
  readonly item: string;
  readonly min?: number;
  readonly max?: number;
}

export interface MapShape {
  readonly t: 'map';
  readonly key: Shape;
  readonly value: Shape;
  readonly names: readonly [entry: string, key: string, value: string];
  readonly min?: number;
  readonly max?: number;
}

export interface StructureShape {
  readonly t: 'structure';
  readonly name: string;
  readonly members: readonly Member[];
}

export type Shape = SimpleShape | ListShape | MapShape | StructureShape;

export interface Member {
  /** As in the SDK's input and output types. */
  readonly name: string;
  readonly xmlName: string;
  readonly queryName: string;
  readonly required: boolean;
  readonly flattened: boolean;
  readonly shape: Shape;
}

export interface OperationModel {
  readonly name: string;
  readonly input: StructureShape | undefined;
  readonly output: StructureShape | undefined;
  /** A caller may send it without credentials. */
  readonly unsigned: boolean;
}

/** One service's model. Shapes are resolved when they are first used, because a region uses few of them. */
export class ServiceModel {
  readonly service: string;
  readonly version: string;
  readonly protocol: ProtocolName;
  readonly signingName: string;
  readonly validationCode: string | undefined;
  readonly xmlNamespace: string;
  private readonly file: ModelFile;
  private readonly shapes: (Shape | undefined)[] = [];
  private readonly operations = new Map<string, OperationModel>();

  constructor(file: ModelFile) {
    this.file = file;
    this.service = file.service;
    this.version = file.version;
    this.protocol = file.protocol;
    this.signingName = file.signingName;
    this.validationCode = file.validationCode;
    this.xmlNamespace = file.xmlNamespace;
  }

  /** The names of all operations that this model describes. */
  operationNames(): string[] {
    return Object.keys(this.file.operations);
  }

  /** Whether AWS has an operation of this name, described here or not. */
  hasOperation(name: string): boolean {
    return Object.hasOwn(this.file.operations, name) || this.file.undescribed.includes(name);
  }

  operation(name: string): OperationModel | undefined {
    const known = this.operations.get(name);
    if (known !== undefined) return known;
    if (!Object.hasOwn(this.file.operations, name)) return undefined;
    const [input, output] = this.file.operations[name]!;
    const operation: OperationModel = {
      name,
      input: input < 0 ? undefined : (this.shape(input) as StructureShape),
      output: output < 0 ? undefined : (this.shape(output) as StructureShape),
      unsigned: this.file.unsigned.includes(name),
    };
    this.operations.set(name, operation);
    return operation;
  }

  private shape(index: number): Shape {
    const known = this.shapes[index];
    if (known !== undefined) return known;
    const entry = this.file.shapes[index];
    if (entry === undefined) throw new Error(`the model of ${this.service} has no shape ${index}`);
    const shape = this.resolve(entry);
    this.shapes[index] = shape;
    return shape;
  }

  /** Further shapes are reached through getters: shapes refer to themselves, and most are never reached. */
  private resolve(entry: ShapeEntry): Shape {
    const shapeAt = (index: number): Shape => this.shape(index);
    switch (entry.t) {
      case 'structure': {
        const members = entry.m.map(([name, index, flags = 0, xmlName = 0, queryName]) => ({
          name,
          xmlName: xmlName === 0 ? name : xmlName === 1 ? name[0]!.toLowerCase() + name.slice(1) : xmlName,
          queryName: queryName ?? name,
          required: (flags & REQUIRED) !== 0,
          flattened: (flags & FLATTENED) !== 0,
          get shape() {
            return shapeAt(index);
          },
        }));
        return { t: 'structure', name: entry.name, members };
      }
      case 'list': {
        const { of, ...rest } = entry;
        return {
          ...rest,
          get element() {
            return shapeAt(of);
          },
        };
      }
      case 'map': {
        const { key, value, ...rest } = entry;
        return {
          ...rest,
          get key() {
            return shapeAt(key);
          },
          get value() {
            return shapeAt(value);
          },
        };
      }
      default:
        return entry;
    }
  }
}

/** What a request is routed by, without its service's model being read. */
export type ServiceEntry = Pick<
  ModelFile,
  'service' | 'version' | 'protocol' | 'signingName' | 'targetPrefix'
>;

/** The services that have a model here: the generator's list. */
export const SERVICES = readModelFile<readonly ServiceEntry[]>('services');

const models = new Map<string, ServiceModel>();

/** The model of a service of `SERVICES`, read from its file on first use (EC2's, the largest: about 6 ms). */
export function loadModel(service: string): ServiceModel {
  const known = models.get(service);
  if (known !== undefined) return known;
  const model = new ServiceModel(readModelFile<ModelFile>(service));
  models.set(service, model);
  return model;
}

function readModelFile<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../models/${name}.json`, import.meta.url), 'utf8')) as T;
}
