/** What the region has published, in memory, for a test to look at. */
import type { EdgeDriver, PublishedRecord } from '../edge.ts';

export interface SimEdge extends EdgeDriver {
  readonly records: ReadonlyMap<string, PublishedRecord>;
  /** The addresses of a name as asked from inside a VPC, or from outside. */
  resolve(name: string, vpcId?: string): readonly string[];
}

export function simEdge(): SimEdge {
  const records = new Map<string, PublishedRecord>();
  return {
    records,
    async publish({ put, removed }) {
      for (const key of removed) records.delete(key);
      for (const [key, record] of put) records.set(key, record);
    },
    list: async () => [...records.keys()],
    resolve(name, vpcId) {
      const named = [...records.values()].filter((record) => record.kind === 'name' && record.name === name);
      const scoped = named.find((record) => record.kind === 'name' && record.vpcId === vpcId);
      const open = named.find((record) => record.kind === 'name' && record.vpcId === undefined);
      const found = scoped ?? open;
      return found?.kind === 'name' ? found.addresses : [];
    },
  };
}
