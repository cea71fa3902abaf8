/** Puts one region together: store, drivers, services, loops. The only place that knows all of them. */
import { type Clock, type Random, systemRandom } from './clock.ts';
import type { Drivers } from './drivers/index.ts';
import { type Log, silentLog } from './log.ts';
import { Engine } from './reconcile/engine.ts';
import { AwsError, unsupported } from './services/common/errors.ts';
import { regionNamed } from './services/common/geography.ts';
import {
  type LoopContext,
  loopScope,
  type Principal,
  type RequestContext,
  type Scope,
  type Service,
} from './services/common/service.ts';
import { services } from './services/index.ts';
import { type AccessKeySpec, accessKeys } from './services/sts/access-key.ts';
import { defaultSettings, type Settings } from './settings.ts';
import { resourceType } from './store/resource.ts';
import { Store } from './store/store.ts';

export interface RegionOptions {
  readonly clock: Clock;
  readonly drivers: Drivers;
  readonly random?: Random;
  readonly log?: Log;
  /** Where the store stands; in memory when absent. */
  readonly storeFile?: string;
  readonly settings?: Partial<Settings>;
}

/** One decoded call of an API. */
export interface ApiCall {
  readonly service: string;
  readonly operation: string;
  /** In the shape of the AWS SDK's input type. */
  readonly input: unknown;
  readonly region: string;
  readonly principal: Principal;
  readonly requestId: string;
}

const openedRegions = resourceType<Record<string, never>, null>('common.opened-region');

/** Thrown through a transaction to undo what a dry run has written. */
class DryRun extends AwsError {
  constructor() {
    super('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
  }
}

/** AWS has no endpoint there; a request signed for it that reaches another one is told so. */
const unknownRegion = (region: string): AwsError =>
  new AwsError(
    'SignatureDoesNotMatch',
    `Credential should be scoped to a valid region, not '${region}'.`,
    403,
  );

export class Region {
  readonly store: Store;
  readonly settings: Settings;
  readonly engine: Engine;
  readonly #context: LoopContext;
  readonly #services = new Map<string, Service>(services.map((service) => [service.name, service]));

  constructor(options: RegionOptions) {
    const { clock, drivers } = options;
    this.settings = { ...defaultSettings, ...options.settings };
    this.store = new Store(clock, options.storeFile);
    const log = options.log ?? silentLog;
    const random = options.random ?? systemRandom;
    this.#context = { store: this.store, drivers, clock, random, settings: this.settings, log };
    const reconcilers = services.flatMap((service) => service.reconcilers(this.#context));
    this.engine = new Engine({ store: this.store, clock, log, reconcilers });
  }

  /** Starts the control loops: every key once, then by what changes. */
  async start(): Promise<void> {
    for (const { region } of this.store.everywhere(openedRegions)) {
      this.store.transaction((tx) => {
        const scope = loopScope(this.#context, tx, region);
        for (const service of services) service.reopenRegion?.(scope);
      });
    }
    await this.engine.start();
  }

  /** Ends the loops and closes the store. What runs goes on running. */
  async stop(): Promise<void> {
    await this.engine.stop();
    this.store.close();
  }

  serviceNames(): string[] {
    return [...this.#services.keys()];
  }

  serves(service: string, operation: string): boolean {
    return Object.hasOwn(this.#services.get(service)?.operations ?? {}, operation);
  }

  /** A key that this region issued. */
  accessKey(id: string): AccessKeySpec | undefined {
    return this.store.get(accessKeys, 'global', id)?.spec;
  }

  /** Runs one operation; what it wrote is durable when this resolves. Throws `AwsError` for what the caller did wrong. */
  async handle(call: ApiCall): Promise<unknown> {
    const operation = this.#services.get(call.service)?.operations[call.operation];
    if (!operation) throw unsupported(`${call.service}:${call.operation}`);
    this.#openRegion(call.region);
    const { clock, random, drivers } = this.#context;
    const given = { region: call.region, now: clock.now(), random, settings: this.settings };
    const prepared = await operation.prepare?.(call.input, { ...given, store: this.store, drivers });
    return this.store.transaction((tx) => {
      const context: RequestContext & { prepared: unknown } = {
        ...given,
        now: clock.now(),
        tx,
        principal: call.principal,
        requestId: call.requestId,
        prepared,
      };
      const output = operation(call.input, context);
      if ((call.input as { DryRun?: boolean }).DryRun === true) throw new DryRun();
      return output;
    });
  }

  /**
   * Runs domain functions that no API of AWS leads to (faults, recovery) as one transaction. What they wrote is durable
   * when this returns. Throws `AwsError` for what the caller did wrong.
   */
  transact<T>(region: string, work: (scope: Scope) => T): T {
    this.#openRegion(region);
    return this.store.transaction((tx) => work(loopScope(this.#context, tx, region)));
  }

  /** A region name that was never used before gets what AWS gives it: the default VPC and so on. */
  #openRegion(region: string): void {
    if (this.store.get(openedRegions, region, region)) return;
    if (!regionNamed(region)) throw unknownRegion(region);
    this.store.transaction((tx) => {
      tx.create(openedRegions, { region, id: region, spec: {}, status: null });
      const scope = {
        tx,
        region,
        now: this.#context.clock.now(),
        random: this.#context.random,
        settings: this.settings,
      };
      for (const service of services) service.openRegion?.(scope);
    });
  }
}
