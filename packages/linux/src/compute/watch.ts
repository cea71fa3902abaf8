/**
 * Notices that a machine has ended, without being its parent: the kernel tells whoever watches a cgroup's
 * `cgroup.events` when its last process goes. Watches outlive nothing: after a restart they are made anew.
 */
import { type FSWatcher, watch } from 'node:fs';
import { codeOf } from '../host/files.ts';

export interface EndWatch {
  /** Watches the file of this machine, instead of one watched before. */
  add(id: string, eventsPath: string): void;
  delete(id: string): void;
  has(id: string): boolean;
  close(): void;
}

/** Calls `touched` when a machine's file has changed or gone; it says only that a look is worth it. */
export function watchEnds(touched: (id: string) => void): EndWatch {
  const watchers = new Map<string, FSWatcher>();
  const remove = (id: string): void => {
    watchers.get(id)?.close();
    watchers.delete(id);
  };
  return {
    add(id, eventsPath) {
      remove(id);
      try {
        const watcher = watch(eventsPath, { persistent: false }, () => touched(id));
        watcher.on('error', () => touched(id));
        watchers.set(id, watcher);
      } catch (error) {
        // No such group any more: it has ended. No watch left in the kernel: the driver's slow look still sees it.
        if (!['ENOENT', 'ENOSPC', 'EMFILE'].includes(codeOf(error) ?? '')) throw error;
        touched(id);
      }
    },
    delete: remove,
    has: (id) => watchers.has(id),
    close() {
      for (const id of [...watchers.keys()]) remove(id);
    },
  };
}
