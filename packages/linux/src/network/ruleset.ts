/** A nftables table as data, and what must be said to nft to get from one to another. Pure. */

export interface ElementSet {
  /** `type ifname`, or `type ifname : verdict` for a map. */
  readonly type: string;
  /** Key to value; a set's values are empty. */
  readonly elements: ReadonlyMap<string, string>;
}

export interface Chain {
  /** For a base chain: `type filter hook forward priority 0; policy drop;`. It never changes during a table's life. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

export interface Ruleset {
  readonly table: string;
  readonly sets: ReadonlyMap<string, ElementSet>;
  readonly chains: ReadonlyMap<string, Chain>;
}

const startsWith = (list: readonly string[], start: readonly string[]): boolean =>
  start.length <= list.length && start.every((entry, index) => entry === list[index]);

interface SetChange {
  readonly name: string;
  readonly gone: readonly string[];
  readonly added: readonly string[];
}

const element = (key: string, value: string): string => (value === '' ? key : `${key} : ${value}`);

function changeOfSet(name: string, before: ElementSet | undefined, after: ElementSet | undefined): SetChange {
  const gone: string[] = [];
  const added: string[] = [];
  for (const [key, value] of before?.elements ?? []) if (after?.elements.get(key) !== value) gone.push(key);
  for (const [key, value] of after?.elements ?? [])
    if (before?.elements.get(key) !== value) added.push(element(key, value));
  return { name, gone, added };
}

/**
 * The commands that turn `before` into `after`, as one transaction; empty when nothing differs. Without `before` the
 * table is made anew in the place of whatever is there, without a moment in between.
 *
 * The order matters: a chain must be there before an element jumps to it, and must not be jumped to when it goes.
 */
export function diff(before: Ruleset | undefined, after: Ruleset): string {
  const table = `inet ${after.table}`;
  const lines: string[] = [];
  if (!before) lines.push(`add table ${table}`, `delete table ${table}`, `add table ${table}`);

  const setNames = new Set([...(before?.sets.keys() ?? []), ...after.sets.keys()]);
  const changes = [...setNames].map((name) =>
    changeOfSet(name, before?.sets.get(name), after.sets.get(name)),
  );
  const newSets = [...after.sets].filter(([name]) => !before?.sets.has(name));
  const oldSets = [...(before?.sets.keys() ?? [])].filter((name) => !after.sets.has(name));
  const newChains = [...after.chains].filter(([name]) => !before?.chains.has(name));
  const oldChains = [...(before?.chains.keys() ?? [])].filter((name) => !after.chains.has(name));
  const changedChains = [...after.chains].filter(([name, chain]) => {
    const known = before?.chains.get(name);
    return known && !startsWith(chain.rules, known.rules);
  });
  // What is only added at the end is added: a flush makes libnftables read the whole table first, some ten milliseconds.
  const grownChains = [...after.chains].flatMap(([name, chain]): [string, Chain][] => {
    const known = before?.chains.get(name);
    const grown = known && startsWith(chain.rules, known.rules);
    return grown ? [[name, { rules: chain.rules.slice(known.rules.length) }]] : [];
  });

  for (const [name, set] of newSets)
    lines.push(`add ${set.type.includes(' : ') ? 'map' : 'set'} ${table} ${name} { ${set.type}; }`);
  for (const [name, chain] of newChains)
    lines.push(`add chain ${table} ${name}${chain.hook ? ` { ${chain.hook} }` : ''}`);
  for (const name of [...changedChains.map(([name]) => name), ...oldChains])
    lines.push(`flush chain ${table} ${name}`);
  for (const { name, gone } of changes)
    if (gone.length > 0) lines.push(`delete element ${table} ${name} { ${gone.join(', ')} }`);
  for (const [name, chain] of [...newChains, ...changedChains, ...grownChains])
    for (const rule of chain.rules) lines.push(`add rule ${table} ${name} ${rule}`);
  for (const { name, added } of changes)
    if (added.length > 0) lines.push(`add element ${table} ${name} { ${added.join(', ')} }`);
  for (const name of oldChains) lines.push(`delete chain ${table} ${name}`);
  for (const name of oldSets) lines.push(`delete set ${table} ${name}`);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
