/**
 * One set of servers for each VPC, inside the namespace of its router, opened and closed as VPCs and namespaces come
 * and go.
 *
 * Wanted: a set of VPCs. Observed: the namespaces that exist, by inode, because one that was made anew under its old
 * name is another one; an open socket would keep the old one, and all links in it, alive unseen. Woken by `sync`, by a
 * change in the folder of namespaces, and once a second.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { namespacePath } from '../host/libc.ts';
import { type HostLayout, routerNamespace } from '../layout.ts';

export interface OpenServers {
  /** Ends listeners and connections at once. */
  close(): void;
}

export interface VpcListeners {
  /**
   * Makes `wanted` (VPC id → anything that, when it differs, means opening anew) what is served. On return, everything
   * is open whose namespace exists; the rest follows as soon as it does.
   */
  sync(wanted: ReadonlyMap<string, string>): void;
  /** The VPCs that are served now. */
  serving(): string[];
  close(): void;
}

export interface VpcListenersOptions {
  /** Opens what one VPC is to be served with, wholly or, throwing, not at all. Must be synchronous. */
  readonly open: (vpcId: string, namespace: string) => OpenServers;
  readonly log: (message: string, cause?: unknown) => void;
}

const CHECK_MS = 1_000;
const SOONEST_RETRY_MS = 5;

/** The inode of a namespace; undefined when there is none of that name. */
function namespaceIdentity(namespace: string): bigint | undefined {
  const found = statSync(namespacePath(namespace), { bigint: true, throwIfNoEntry: false });
  return found?.ino;
}

export function vpcListeners(layout: HostLayout, { open, log }: VpcListenersOptions): VpcListeners {
  let wanted: ReadonlyMap<string, string> = new Map();
  const served = new Map<string, { identity: bigint; variant: string; servers: OpenServers }>();
  const complained = new Map<string, string>();
  let retryMs = SOONEST_RETRY_MS;
  let timer: NodeJS.Timeout | undefined;
  let watcher: FSWatcher | undefined;

  const closeOne = (vpcId: string): void => {
    try {
      served.get(vpcId)?.servers.close();
    } catch (error) {
      log(`closing the listeners of ${vpcId}`, error);
    }
    served.delete(vpcId);
  };
  const openOne = (vpcId: string, variant: string): boolean => {
    const namespace = routerNamespace(layout, vpcId);
    const identity = namespaceIdentity(namespace);
    const current = served.get(vpcId);
    if (current && current.identity === identity && current.variant === variant) return true;
    closeOne(vpcId);
    if (identity === undefined) return false;
    try {
      served.set(vpcId, { identity, variant, servers: open(vpcId, namespace) });
      complained.delete(vpcId);
      return true;
    } catch (error) {
      // The name of a namespace stands for a moment before the namespace does (EINVAL).
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      const passing = reason === 'EINVAL' || reason === 'ENOENT';
      if (!passing && complained.get(vpcId) !== reason) log(`listening in ${namespace}`, error);
      complained.set(vpcId, reason);
      return false;
    }
  };
  const check = (): void => {
    if (!watcher) watchNamespaces();
    for (const vpcId of served.keys()) if (!wanted.has(vpcId)) closeOne(vpcId);
    for (const vpcId of complained.keys()) if (!wanted.has(vpcId)) complained.delete(vpcId);
    let missing = 0;
    for (const [vpcId, variant] of wanted) if (!openOne(vpcId, variant)) missing++;
    retryMs = missing > 0 ? Math.min(retryMs * 2, CHECK_MS) : CHECK_MS;
    clearTimeout(timer);
    timer = wanted.size > 0 ? setTimeout(check, retryMs).unref() : undefined;
  };
  const checkSoon = (): void => {
    retryMs = SOONEST_RETRY_MS;
    clearTimeout(timer);
    timer = setTimeout(check, 1).unref();
  };
  // `ip netns` makes the folder with the first namespace; until then the timer has to do.
  const watchNamespaces = (): void => {
    try {
      watcher = watch(dirname(namespacePath('any')), { persistent: false }, (_event, name) => {
        if (!name || [...wanted.keys()].some((vpcId) => routerNamespace(layout, vpcId) === name)) checkSoon();
      });
      watcher.on('error', () => {
        watcher?.close();
        watcher = undefined;
      });
    } catch {
      watcher = undefined;
    }
  };

  return {
    sync(next) {
      wanted = new Map(next);
      retryMs = SOONEST_RETRY_MS;
      check();
    },
    serving: () => [...served.keys()],
    close() {
      wanted = new Map();
      clearTimeout(timer);
      watcher?.close();
      for (const vpcId of [...served.keys()]) closeOne(vpcId);
    },
  };
}
