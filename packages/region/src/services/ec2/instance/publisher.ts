/** Tells the edge what has changed of an instance, and only that. */
import type { LoopContext } from '../../common/service.ts';
import type { Instance } from '../records.ts';
import { instanceOfKey, keyPrefix, publishedRecords } from './metadata.ts';

export interface InstancePublisher {
  /** Resolves when the edge answers as the instance is now. */
  publish(instance: Instance): Promise<void>;
  /** Takes back all that was published of an instance. Nothing published is success. */
  withdraw(instanceId: string): Promise<void>;
  /** Instances of which something is published. */
  publishedInstances(): Promise<Set<string>>;
}

export function instancePublisher({ store, drivers, settings }: LoopContext): InstancePublisher {
  /** What this process knows to be published: record as JSON, by instance and key. */
  const known = new Map<string, Map<string, string>>();

  const keysOf = async (instanceId: string): Promise<Iterable<string>> => {
    const here = known.get(instanceId);
    if (here) return here.keys();
    return (await drivers.edge.list()).filter((key) => key.startsWith(keyPrefix(instanceId)));
  };

  return {
    async publish(instance) {
      const records = publishedRecords(store, instance, settings);
      const before = known.get(instance.id);
      const texts = new Map([...records].map(([key, record]) => [key, JSON.stringify(record)]));
      const put = new Map([...records].filter(([key]) => before?.get(key) !== texts.get(key)));
      // Before the first boot nothing of it can be published yet, except by a process that died since.
      const fresh = before === undefined && instance.status.machine === undefined;
      const earlier = fresh ? [] : await keysOf(instance.id);
      const removed = [...earlier].filter((key) => !records.has(key));
      if (put.size > 0 || removed.length > 0) await drivers.edge.publish({ put, removed });
      known.set(instance.id, texts);
    },

    async withdraw(instanceId) {
      const removed = [...(await keysOf(instanceId))];
      if (removed.length > 0) await drivers.edge.publish({ put: new Map(), removed });
      known.delete(instanceId);
    },

    async publishedInstances() {
      const keys = await drivers.edge.list();
      return new Set(keys.map(instanceOfKey).filter((id) => id !== undefined));
    },
  };
}
