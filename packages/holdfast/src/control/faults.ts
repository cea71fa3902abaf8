/**
 * The control process's private way to break things and to undo it: for this machine only, and for nothing that a
 * browser sends on behalf of a page. The region's own functions decide what can be broken.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Region } from '@holdfast/region';
import { AwsError } from '@holdfast/region/services/common/errors.ts';
import { regionNamed } from '@holdfast/region/services/common/geography.ts';
import { recoverInstance } from '@holdfast/region/services/ec2/compute.ts';
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
import type { Origin, PlainRoute } from '@holdfast/wire';
import { fromForeignPage } from '@holdfast/wire/foreign-page.ts';
import { json } from './json.ts';

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

const MAX_BODY_BYTES = 16_384;
const FAULTS = '/_holdfast/faults';

const shown = ({ id, region, spec, createdAt }: Fault): ShownFault => ({
  id,
  region,
  target: spec.target,
  targetId: spec.targetId,
  kind: spec.kind,
  since: new Date(createdAt).toISOString(),
});

const badRequest = (message: string): AwsError => new AwsError('InvalidRequest', message);

/** The body as an object. It must call itself JSON, which no page can send elsewhere without asking first. */
async function readObject(request: IncomingMessage): Promise<Record<string, unknown>> {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
    throw badRequest('the body must be of the type application/json');
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw badRequest(`the body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw badRequest('the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw badRequest('the body is no object');
  return body as Record<string, unknown>;
}

function textIn(body: Record<string, unknown>, name: string): string {
  const value = body[name];
  if (typeof value !== 'string' || value === '') throw badRequest(`${name} is missing`);
  return value;
}

function regionIn(body: Record<string, unknown>): string {
  const name = textIn(body, 'region');
  if (!regionNamed(name)) throw badRequest(`there is no region '${name}'`);
  return name;
}

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

/** Answers what `act` gives; what it throws, in the words of whoever threw it. */
const guarded =
  (act: (request: IncomingMessage) => Promise<unknown> | unknown): PlainRoute =>
  async (request: IncomingMessage, response: ServerResponse, origin: Origin) => {
    if (origin !== 'loopback') return json(response, 403, { message: 'from this machine only' });
    if (fromForeignPage(request)) return json(response, 403, { message: 'not for pages of other sites' });
    try {
      json(response, 200, await act(request));
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      json(response, error.httpStatus, { code: error.code, message: error.message });
    }
  };

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
    'POST /_holdfast/recover': guarded(async (request) => {
      const body = await readObject(request);
      const id = textIn(body, 'instance');
      const recovery = region.transact(regionIn(body), (scope) => recoverInstance(scope, id));
      if (recovery.outcome !== 'waiting') return recovery;
      const { code, message } = recovery.error;
      return { outcome: recovery.outcome, code, message };
    }),
  };
}
