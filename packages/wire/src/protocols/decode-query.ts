import type { ListShape, MapShape, Member, Shape, SimpleShape, StructureShape } from '../model.ts';
import { type BooleanStyle, checkSize, checkText, checkValue, type Violation } from './check.ts';
import type { ParameterNode } from './form.ts';

/** How the two query protocols differ: in spelling a list, `X.1` or `X.member.1`, and in what is a boolean. */
export interface QueryStyle {
  readonly listsAreFlat: boolean;
  readonly booleans: BooleanStyle;
}

export interface Decoded {
  readonly input: Record<string, unknown>;
  /** Everything that is wrong with the input, in the order of the model. */
  readonly violations: readonly Violation[];
}

/** Reads an operation's input out of the parameters and checks it against its model on the way. */
export function decodeQuery(
  root: ParameterNode,
  shape: StructureShape | undefined,
  style: QueryStyle,
): Decoded {
  const reader = new QueryReader(style);
  const input = reader.structure(root, shape ?? { t: 'structure', name: '', members: [] }, []);
  return { input, violations: reader.violations };
}

type Path = readonly string[];

/** Enough to tell a caller; the rest of a request that is nothing but faults is not kept. */
const MAX_VIOLATIONS = 100;

class QueryReader {
  readonly violations: Violation[] = [];
  private readonly style: QueryStyle;

  constructor(style: QueryStyle) {
    this.style = style;
  }

  structure(node: ParameterNode, shape: StructureShape, path: Path): Record<string, unknown> {
    const input: Record<string, unknown> = {};
    if (node.value !== undefined && path.length > 0 && node.value !== '') this.unknown(path);
    let recognised = 0;
    for (const member of shape.members) {
      const child = node.children?.get(member.queryName);
      if (child !== undefined) {
        recognised++;
        const value = this.value(child, member.shape, [...path, member.queryName], member);
        if (value !== undefined) input[member.name] = value;
      } else if (member.required) {
        this.report({ kind: 'missing', path: [...path, member.queryName] });
      }
    }
    if (recognised < (node.children?.size ?? 0)) this.reportStrangers(node, shape, path);
    return input;
  }

  private reportStrangers(node: ParameterNode, shape: StructureShape, path: Path): void {
    const known = new Set(shape.members.map((member) => member.queryName));
    for (const name of node.children?.keys() ?? []) if (!known.has(name)) this.unknown([...path, name]);
  }

  private value(node: ParameterNode, shape: Shape, path: Path, member?: Member): unknown {
    switch (shape.t) {
      case 'structure':
        return this.structure(node, shape, path);
      case 'list':
        return this.list(node, shape, path, this.style.listsAreFlat || member?.flattened === true);
      case 'map':
        return this.map(node, shape, path, this.style.listsAreFlat || member?.flattened === true);
      default:
        return this.simple(node, shape, path);
    }
  }

  /** `X=` is the empty list; otherwise the numbers need be neither dense nor in order. */
  private list(node: ParameterNode, shape: ListShape, path: Path, flat: boolean): unknown[] | undefined {
    const numbered = this.numbered(node, path, flat ? undefined : shape.item);
    if (numbered === undefined) return undefined;
    const list: unknown[] = [];
    for (const [number, child, childPath] of numbered) {
      const value = this.value(child, shape.element, [...childPath, String(number)]);
      if (value !== undefined) list.push(value);
    }
    this.report(...checkSize(list, shape, path));
    return list;
  }

  private map(
    node: ParameterNode,
    shape: MapShape,
    path: Path,
    flat: boolean,
  ): Record<string, unknown> | undefined {
    const [entry, keyName, valueName] = shape.names;
    const numbered = this.numbered(node, path, flat ? undefined : entry);
    if (numbered === undefined) return undefined;
    const map = new Map<string, unknown>();
    for (const [number, child, childPath] of numbered) {
      const entryPath = [...childPath, String(number)];
      const keyNode = child.children?.get(keyName);
      const valueNode = child.children?.get(valueName);
      if (keyNode === undefined || valueNode === undefined) {
        this.report({
          kind: 'missing',
          path: [...entryPath, keyNode === undefined ? keyName : valueName],
        });
        continue;
      }
      const key = this.value(keyNode, shape.key, [...entryPath, keyName]);
      if (key !== undefined) {
        map.set(String(key), this.value(valueNode, shape.value, [...entryPath, valueName]));
      }
    }
    return Object.fromEntries(map);
  }

  /** The numbered children of a list or map, in their order, below the name `between` where there is one. */
  private numbered(
    node: ParameterNode,
    path: Path,
    between: string | undefined,
  ): [number: number, node: ParameterNode, path: Path][] | undefined {
    if (node.value !== undefined && node.value !== '') {
      this.report({ kind: 'not a list', path });
      return undefined;
    }
    let holder: ParameterNode | undefined = node;
    let holderPath = path;
    if (between !== undefined) {
      // Clients spell every list with `member`, whatever the element's name in XML is, or with that name.
      const name = node.children?.has(between) ? between : 'member';
      for (const stranger of node.children?.keys() ?? []) {
        if (stranger !== name) this.unknown([...path, stranger]);
      }
      holder = node.children?.get(name);
      holderPath = [...path, name];
    }
    const numbered: [number, ParameterNode, Path][] = [];
    for (const [name, child] of holder?.children ?? []) {
      if (/^[1-9]\d{0,5}$/.test(name)) numbered.push([Number(name), child, holderPath]);
      else this.unknown([...holderPath, name]);
    }
    return numbered.sort((a, b) => a[0] - b[0]);
  }

  private simple(node: ParameterNode, shape: SimpleShape, path: Path): unknown {
    if (node.children !== undefined) {
      for (const name of node.children.keys()) this.unknown([...path, name]);
    }
    if (node.value === undefined) return undefined;
    const checked = checkText(node.value, shape, path, this.style.booleans);
    if ('violation' in checked) {
      this.report(checked.violation);
      return undefined;
    }
    this.report(...checkValue(checked.value, node.value, shape, path));
    return checked.value;
  }

  private report(...violations: Violation[]): void {
    for (const violation of violations) {
      if (this.violations.length < MAX_VIOLATIONS) this.violations.push(violation);
    }
  }

  private unknown(path: Path): void {
    this.report({ kind: 'unknown', path });
  }
}
