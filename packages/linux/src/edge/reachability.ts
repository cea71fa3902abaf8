/**
 * Which addresses accept TCP, found out in the background for those that are asked about. An address counts as
 * accepting until two attempts in a row have failed, and again after the first one that succeeds.
 */
import type { Socket } from 'node:net';

export interface ReachabilityTarget {
  readonly address: string;
  readonly port: number;
  /** Seen from this VPC's router; absent: from the host. */
  readonly vpcId?: string | undefined;
}

export interface Reachability {
  /** Makes these the targets that are watched. */
  sync(targets: readonly ReachabilityTarget[]): void;
  /** Is it known not to accept? False for what is not watched. */
  refuses(address: string, port: number, vpcId: string | undefined): boolean;
  close(): void;
}

export interface ReachabilityOptions {
  /** Begins a TCP connection as seen from the target's side. May throw. */
  readonly connect: (target: ReachabilityTarget) => Socket;
  /** Called when an address begins or ceases to accept. */
  readonly changed: (target: ReachabilityTarget, refuses: boolean) => void;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}

const FAILURES_TO_REFUSE = 2;
const SECOND_LOOK_MS = 200;

const keyOf = (address: string, port: number, vpcId: string | undefined) =>
  `${vpcId ?? ''} ${address} ${port}`;

export function reachability(options: ReachabilityOptions): Reachability {
  const { connect, changed, intervalMs = 2_000, timeoutMs = 1_000 } = options;
  interface Watched {
    readonly target: ReachabilityTarget;
    failures: number;
    timer?: NodeJS.Timeout;
    connection?: Socket;
  }
  const watched = new Map<string, Watched>();

  const finish = (entry: Watched, accepted: boolean): void => {
    const refused = entry.failures >= FAILURES_TO_REFUSE;
    entry.failures = accepted ? 0 : Math.min(entry.failures + 1, FAILURES_TO_REFUSE);
    const refuses = entry.failures >= FAILURES_TO_REFUSE;
    const soon = entry.failures > 0 && !refuses;
    entry.timer = setTimeout(() => attempt(entry), soon ? SECOND_LOOK_MS : intervalMs).unref();
    if (refuses !== refused) changed(entry.target, refuses);
  };
  const attempt = (entry: Watched): void => {
    let connection: Socket;
    try {
      connection = connect(entry.target);
    } catch {
      finish(entry, false);
      return;
    }
    entry.connection = connection;
    let over = false;
    const end = (accepted: boolean) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      connection.destroy();
      delete entry.connection;
      finish(entry, accepted);
    };
    const timer = setTimeout(() => end(false), timeoutMs).unref();
    connection.on('error', () => end(false));
    connection.once('connect', () => end(true));
    connection.once('close', () => clearTimeout(timer));
  };
  const stop = (key: string, entry: Watched): void => {
    watched.delete(key);
    clearTimeout(entry.timer);
    if (entry.connection) {
      // Nobody is to hear of the end of this attempt.
      entry.connection.removeAllListeners('connect').removeAllListeners('error');
      entry.connection.on('error', () => {});
      entry.connection.destroy();
    }
  };

  return {
    sync(targets) {
      const wanted = new Map(
        targets.map((target) => [keyOf(target.address, target.port, target.vpcId), target]),
      );
      for (const [key, entry] of watched) if (!wanted.has(key)) stop(key, entry);
      for (const [key, target] of wanted) {
        if (watched.has(key)) continue;
        const entry: Watched = { target, failures: 0 };
        watched.set(key, entry);
        attempt(entry);
      }
    },
    refuses: (address, port, vpcId) =>
      (watched.get(keyOf(address, port, vpcId))?.failures ?? 0) >= FAILURES_TO_REFUSE,
    close() {
      for (const [key, entry] of [...watched]) stop(key, entry);
    },
  };
}
