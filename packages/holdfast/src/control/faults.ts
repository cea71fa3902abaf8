/**
 * The control process's private way to break things and to undo it: for this machine only, and for nothing that a
 * browser sends on behalf of a page. The region's own functions decide what can be broken.
 */
import type { Region } from '@holdfast/region';
import { type Recovery, recoverInstance } from '@holdfast/region/services/ec2/compute.ts';
import {
  clearFault,
  clearFaults,
  type Fault,
  type FaultKind,
  type FaultTarget,
  faultKinds,
  faults,
  injectFault,
} from '@holdfast/region/services/ec2/fault/index.ts';
import type { PlainRoute } from '@holdfast/wire';
import { badRequest, guarded, readObject, regionIn, textIn } from './guarded.ts';

/** A fault as this route and `holdfast fault list --json` show it. */
export interface ShownFault {
  readonly id: string;
  readonly region: string;
  readonly target: FaultTarget;
  readonly targetId: string;
  readonly kind: FaultKind;
  /** ISO 8601, by the region's clock. */
  readonly since: string;
}

/** What `holdfast recover --json` shows: a wait with the code and the words of AWS's error for it. */
export type ShownRecovery =
  | Exclude<Recovery, { outcome: 'waiting' }>
  | { readonly outcome: 'waiting'; readonly code: string; readonly message: string };

const FAULTS = '/_holdfast/faults';

const shown = ({ id, region, spec, createdAt }: Fault): ShownFault => ({
  id,
  region,
  target: spec.target,
  targetId: spec.targetId,
  kind: spec.kind,
  since: new Date(createdAt).toISOString(),
});

function faultIn(body: Record<string, unknown>): { target: FaultTarget; targetId: string; kind?: FaultKind } {
  const target = textIn(body, 'target');
  if (!Object.hasOwn(faultKinds, target)) {
    throw badRequest(`target is one of ${Object.keys(faultKinds).join(', ')}, not '${target}'`);
  }
  const targetId = textIn(body, 'id');
  if (body.kind === undefined) return { target: target as FaultTarget, targetId };
  // Whether the target can have it is for the region to say.
  return { target: target as FaultTarget, targetId, kind: textIn(body, 'kind') as FaultKind };
}

export function faultRoutes(region: Region): Record<string, PlainRoute> {
  return {
    [`GET ${FAULTS}`]: guarded(() => ({ faults: region.store.everywhere(faults).map(shown) })),

    [`POST ${FAULTS}`]: guarded(async (request) => {
      const body = await readObject(request);
      const wanted = faultIn(body);
      return { fault: shown(region.transact(regionIn(body), (scope) => injectFault(scope, wanted))) };
    }),

    /** One by its id, or all of a region. */
    [`POST ${FAULTS}/clear`]: guarded(async (request) => {
      const body = await readObject(request);
      const name = regionIn(body);
      if (body.all === true) return { cleared: region.transact(name, clearFaults).map(shown) };
      const id = textIn(body, 'id');
      return { cleared: [shown(region.transact(name, (scope) => clearFault(scope, id)))] };
    }),

    /** What an alarm's recover action does. */
    'POST /_holdfast/recover': guarded(async (request): Promise<ShownRecovery> => {
      const body = await readObject(request);
      const id = textIn(body, 'instance');
      const recovery = region.transact(regionIn(body), (scope) => recoverInstance(scope, id));
      if (recovery.outcome !== 'waiting') return recovery;
      const { code, message } = recovery.error;
      return { outcome: recovery.outcome, code, message };
    }),
  };
}
