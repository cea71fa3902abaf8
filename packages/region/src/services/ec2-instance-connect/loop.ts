/**
 * The loop `ec2-instance-connect.key`, by instance. Wanted: the edge shows an instance the keys that were pushed to it and
 * are not a minute old, and no others. Observed: what is published. Woken by pushed keys, by their end, and by the end of
 * the instance. While nobody runs this loop, a key stays longer than its minute.
 */
import type { PublishedRecord } from '../../drivers/edge.ts';
import type { Reconciler } from '../../reconcile/reconciler.ts';
import type { ResourceKey } from '../../store/resource.ts';
import type { LoopContext } from '../common/service.ts';
import { isToTerminate } from '../ec2/instance/state.ts';
import { type Instance, instances } from '../ec2/records.ts';
import { type PushedKey, pushedKeys } from './pushed-key.ts';

const LOOP = 'ec2-instance-connect.key';

const prefixOf = ({ region, id }: Pick<ResourceKey, 'region' | 'id'>): string => `ssh-keys/${region}/${id}/`;

const keyOfInstance = (region: string, id: string): ResourceKey => ({ kind: LOOP, region, id });

export function pushedKeyLoop({ store, drivers, clock }: LoopContext): Reconciler {
  const keysOf = (region: string, instanceId: string): PushedKey[] =>
    store.list(pushedKeys, region).filter(({ spec }) => spec.instanceId === instanceId);

  /** Forgets the keys whose time is over; all of an instance that is. */
  const forgetDead = (region: string, instanceId: string): void =>
    store.transaction((tx) => {
      const instance = tx.get(instances, region, instanceId);
      const gone = !instance || isToTerminate(instance);
      for (const one of keysOf(region, instanceId)) {
        if (gone || one.spec.expiresAt <= clock.now()) tx.remove(one);
      }
    });

  return {
    name: LOOP,

    keysFor(changed) {
      if (changed.kind === pushedKeys.kind) {
        return [keyOfInstance(changed.region, (changed as PushedKey).spec.instanceId)];
      }
      if (changed.kind !== instances.kind || !isToTerminate(changed as Instance)) return [];
      return keysOf(changed.region, changed.id).length > 0 ? [keyOfInstance(changed.region, changed.id)] : [];
    },

    async found() {
      const published = (await drivers.edge.list()).filter((key) => key.startsWith('ssh-keys/'));
      return published.map((key) => {
        const [, region = '', id = ''] = key.split('/');
        return keyOfInstance(region, id);
      });
    },

    async reconcile(key) {
      forgetDead(key.region, key.id);
      const alive = keysOf(key.region, key.id);
      const put = new Map<string, PublishedRecord>();
      for (const user of new Set(alive.map(({ spec }) => spec.user))) {
        const keys = alive.filter(({ spec }) => spec.user === user).map(({ spec }) => spec.publicKey);
        put.set(`${prefixOf(key)}${user}`, { kind: 'ssh-keys', instanceId: key.id, user, keys });
      }
      const published = (await drivers.edge.list()).filter((one) => one.startsWith(prefixOf(key)));
      const removed = published.filter((one) => !put.has(one));
      if (put.size > 0 || removed.length > 0) await drivers.edge.publish({ put, removed });
      if (alive.length === 0) return undefined;
      const next = Math.min(...alive.map(({ spec }) => spec.expiresAt));
      return { requeueAfterMs: Math.max(0, next - clock.now()) };
    },
  };
}
