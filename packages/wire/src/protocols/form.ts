import { WireError } from '../errors.ts';

export type Pair = readonly [key: string, value: string];

/**
 * The pairs of a form body or a query string, decoded.
 * @throws WireError MalformedQueryString (404, as the services' common errors have it) for what is not
 *   percent-encoded UTF-8. https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html
 */
export function parseForm(text: string): Pair[] {
  const pairs: Pair[] = [];
  for (const part of text.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const key = equals < 0 ? part : part.slice(0, equals);
    pairs.push([decode(key), equals < 0 ? '' : decode(part.slice(equals + 1))]);
  }
  return pairs;
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    throw new WireError('MalformedQueryString', 'The query string contains a syntax error', 404);
  }
}

/** One level of the dotted names of a query: `Filter.1.Name=x` is Filter → 1 → Name. */
export interface ParameterNode {
  value: string | undefined;
  children: Map<string, ParameterNode> | undefined;
}

/** Deeper than any model; a name that goes further is left whole, and so is recognised by none. */
const MAX_DEPTH = 40;

export function parameterTree(pairs: Iterable<Pair>): ParameterNode {
  const root: ParameterNode = { value: undefined, children: undefined };
  for (const [key, value] of pairs) {
    let node = root;
    for (const segment of key.split('.', MAX_DEPTH + 1).length > MAX_DEPTH ? [key] : key.split('.')) {
      node.children ??= new Map();
      let child = node.children.get(segment);
      if (child === undefined) {
        child = { value: undefined, children: undefined };
        node.children.set(segment, child);
      }
      node = child;
    }
    node.value = value;
  }
  return root;
}
