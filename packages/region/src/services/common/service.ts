/** What a service is made of: operations, control loops, and the little that they are given. */
import type { Clock, Random, TimeMs } from '../../clock.ts';
import type { Drivers } from '../../drivers/index.ts';
import type { Log } from '../../log.ts';
import type { Reconciler } from '../../reconcile/reconciler.ts';
import type { Settings } from '../../settings.ts';
import type { Store, Transaction } from '../../store/store.ts';

/**
 * One consistent state to read and write, in one region, at one moment. Domain functions take a scope, so that an API
 * call and a control loop (Auto Scaling launching an instance) go the same way.
 */
export interface Scope {
  readonly tx: Transaction;
  /** Region name, such as `us-west-2`. */
  readonly region: string;
  readonly now: TimeMs;
  readonly random: Random;
  readonly settings: Settings;
}

/** Who calls. */
export interface Principal {
  readonly accountId: string;
  readonly arn: string;
  readonly userId: string;
}

export interface RequestContext extends Scope {
  readonly principal: Principal;
  readonly requestId: string;
}

/** What is at hand before the transaction: for what takes long or asks a driver. */
export interface PreparationContext {
  readonly region: string;
  readonly store: Store;
  readonly drivers: Drivers;
  readonly now: TimeMs;
  readonly random: Random;
  readonly settings: Settings;
}

/**
 * One operation of an API: validates, writes what is wanted, answers. It starts nothing and waits for nothing: it is
 * synchronous, and all that it writes is one transaction. An exception undoes it.
 */
// biome-ignore lint/suspicious/noExplicitAny: an operation table holds operations over all inputs.
export type Operation<I = any, O = unknown> = ((input: I, context: RequestContext) => O) & {
  readonly prepare?: (input: I, context: PreparationContext) => Promise<unknown>;
};

/** An operation that must wait for something (an RSA key, a driver's answer) before its transaction begins. */
export function prepared<I, P, O>(
  prepare: (input: I, context: PreparationContext) => Promise<P>,
  operate: (input: I, context: RequestContext, prepared: P) => O,
): Operation<I, O> {
  const operation = (input: I, context: RequestContext): O =>
    operate(input, context, (context as RequestContext & { prepared: P }).prepared);
  return Object.assign(operation, { prepare });
}

/** What control loops work with. */
export interface LoopContext {
  readonly store: Store;
  readonly drivers: Drivers;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: Settings;
  readonly log: Log;
}

/** A scope for a loop's own transaction. */
export const loopScope = (context: LoopContext, tx: Transaction, region: string): Scope => ({
  tx,
  region,
  now: context.clock.now(),
  random: context.random,
  settings: context.settings,
});

export interface Service {
  /** The service's key: that of the wire's models, such as `ec2`. */
  readonly name: string;
  /** Every operation it serves, by AWS's name. */
  readonly operations: Readonly<Record<string, Operation>>;
  readonly reconcilers: (context: LoopContext) => readonly Reconciler[];
  /** What a region has from the beginning (the default VPC, images); runs at the first call in that region. */
  readonly openRegion?: (scope: Scope) => void;
  /** What a region that is there already gets when control starts with other settings. */
  readonly reopenRegion?: (scope: Scope) => void;
}
