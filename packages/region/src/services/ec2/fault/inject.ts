/** Breaking things, and undoing it. Domain functions: no API of AWS leads here. */
import { AwsError } from '../../common/errors.ts';
import { zonesOf } from '../../common/geography.ts';
import { newId } from '../../common/names.ts';
import type { Scope } from '../../common/service.ts';
import { invalidParameterValue, natGatewayNotFound } from '../errors.ts';
import { wantedBoot } from '../instance/plan.ts';
import { instanceOf } from '../instance/power.ts';
import { stateOf } from '../instance/state.ts';
import { hosts, natGateways } from '../records.ts';
import {
  type Fault,
  type FaultKind,
  type FaultSpec,
  type FaultTarget,
  faultKinds,
  faults,
  faultsOf,
} from './fault.ts';

export interface FaultRequest {
  readonly target: FaultTarget;
  readonly targetId: string;
  /** What is usual for the target when absent. */
  readonly kind?: FaultKind | undefined;
}

function checkHost(scope: Scope, id: string): void {
  if (scope.tx.get(hosts, scope.region, id)) return;
  const some = scope.tx.list(hosts, scope.region).map((host) => host.id);
  throw invalidParameterValue(
    `There is no host '${id}' in ${scope.region}; its hosts are ${some.join(', ')}`,
  );
}

function checkZone(scope: Scope, name: string): void {
  const names = zonesOf(scope.region).map((zone) => zone.name);
  if (names.includes(name)) return;
  throw invalidParameterValue(
    `There is no zone '${name}' in ${scope.region}; its zones are ${names.join(', ')}`,
  );
}

function checkNatGateway(scope: Scope, id: string): void {
  const gateway = scope.tx.get(natGateways, scope.region, id);
  if (!gateway || gateway.spec.wanted === 'deleted') throw natGatewayNotFound(id);
}

/** Of a hung or dead instance: the boot that is hit. Throws `IncorrectInstanceState` when there is nothing to hit. */
function instanceBoot(scope: Scope, id: string, kind: FaultKind): number | undefined {
  const instance = instanceOf(scope, id);
  const state = stateOf(instance);
  const gone = state === 'terminated' || state === 'shutting-down';
  if (kind === 'cut' ? gone : state !== 'running') {
    throw new AwsError(
      'IncorrectInstanceState',
      `The instance '${id}' is ${state}: there is nothing to break.`,
    );
  }
  return kind === 'cut' ? undefined : wantedBoot(instance);
}

/** A host's fault stands in the host, where placement and the loops look. */
function markHost(scope: Scope, id: string): void {
  const host = scope.tx.get(hosts, scope.region, id);
  const failed = faultsOf(scope.tx, scope.region, 'host', id).length > 0;
  if (host) scope.tx.update(host, { spec: { ...host.spec, failed } });
}

/**
 * Breaks something. What is broken in this way already stays so: the fault that is there is the answer. Throws
 * `InvalidParameterValue`, `InvalidInstanceID.*`, `NatGatewayNotFound`, `IncorrectInstanceState`.
 */
export function injectFault(
  scope: Scope,
  { target, targetId, kind = faultKinds[target][0] }: FaultRequest,
): Fault {
  if (!faultKinds[target].includes(kind)) {
    throw invalidParameterValue(
      `The kind of fault for ${target} is ${faultKinds[target].join(' or ')}, not ${kind}`,
    );
  }
  if (target === 'host') checkHost(scope, targetId);
  if (target === 'zone') checkZone(scope, targetId);
  if (target === 'nat-gateway') checkNatGateway(scope, targetId);
  const boot = target === 'instance' ? instanceBoot(scope, targetId, kind) : undefined;
  const same = ({ spec }: Fault): boolean => spec.kind === kind && spec.boot === boot;
  const known = faultsOf(scope.tx, scope.region, target, targetId).find(same);
  if (known) return known;
  const spec: FaultSpec = { target, targetId, kind, ...(boot !== undefined && { boot }) };
  const made = scope.tx.create(faults, {
    region: scope.region,
    id: newId(scope, 'fault'),
    spec,
    status: null,
  });
  if (target === 'host') markHost(scope, targetId);
  return made;
}

/** Undoes a fault: what was frozen goes on, what was cut off is reachable again. Throws when there is no such fault. */
export function clearFault(scope: Scope, id: string): Fault {
  const fault = scope.tx.get(faults, scope.region, id);
  if (!fault) throw new AwsError('InvalidFaultID.NotFound', `There is no fault '${id}' in ${scope.region}`);
  scope.tx.remove(fault);
  if (fault.spec.target === 'host') markHost(scope, fault.spec.targetId);
  return fault;
}

/** Undoes all faults of the region, and says which they were. */
export const clearFaults = (scope: Scope): Fault[] =>
  scope.tx.list(faults, scope.region).map(({ id }) => clearFault(scope, id));
