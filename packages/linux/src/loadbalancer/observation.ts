/** What a node sees, read from HAProxy's statistics and said in AWS's words. */
import type {
  LoadBalancerNodeSpec,
  NodeCounters,
  TargetObservation,
} from '@holdfast/region/drivers/loadbalancer.ts';
import { backendName, parseServerName } from './names.ts';

type Row = ReadonlyMap<string, string>;
type Reason = NonNullable<TargetObservation['reason']>;

/** HAProxy's check status → AWS's reason. Everything else that fails is `failed`. */
function reasonOf(checkStatus: string): Reason {
  if (checkStatus === 'L7STS') return 'response-code-mismatch';
  return checkStatus.endsWith('TOUT') ? 'timeout' : 'failed';
}

function observeServer(row: Row, initial: boolean): Pick<TargetObservation, 'state' | 'reason' | 'code'> {
  const status = row.get('status') ?? '';
  // `* ` stands before the outcome while the next check is under way.
  const check = (row.get('check_status') ?? '').replace(/^\* /, '');
  if (/^(UP|DRAIN|NOLB|no check)/.test(status)) return { state: 'healthy' };
  if (initial || !/^L\d|^SOCKERR/.test(check) || check.endsWith('OK'))
    return { state: initial ? 'initial' : 'unhealthy' };
  const reason = reasonOf(check);
  const code = Number(row.get('check_code'));
  return reason === 'response-code-mismatch' && code > 0
    ? { state: 'unhealthy', reason, code }
    : { state: 'unhealthy', reason };
}

/** `rows` are those of `show stat` for servers. */
export function observeTargets(node: LoadBalancerNodeSpec, rows: readonly Row[]): TargetObservation[] {
  const observations: TargetObservation[] = [];
  for (const group of node.targetGroups) {
    const backend = backendName(group.id);
    const own = rows.filter((row) => row.get('pxname') === backend);
    for (const target of group.targets) {
      let state: ReturnType<typeof observeServer> = { state: 'initial' };
      let activeRequests = 0;
      let serial = 0;
      for (const row of own) {
        const name = parseServerName(row.get('svname') ?? '');
        if (name?.targetId !== target.id) continue;
        activeRequests += Number(row.get('scur'));
        const checked = name.role !== 'open' && !row.get('status')?.startsWith('MAINT');
        if (!checked || name.serial < serial) continue;
        serial = name.serial;
        state = observeServer(row, name.role === 'initial');
      }
      observations.push({ targetGroupId: group.id, targetId: target.id, ...state, activeRequests });
    }
  }
  return observations;
}

const hundreds = [2, 3, 4, 5] as const;

/**
 * `rows` are those of `show stat` for frontends and backends. Listeners count all answers, backends those of their
 * targets and the few that HAProxy made there itself, which `own` holds.
 */
export function countResponses(rows: readonly Row[], own: Readonly<Record<4 | 5, number>>): NodeCounters {
  const sum = (type: string, column: string): number =>
    rows.reduce((total, row) => total + (row.get('type') === type ? Number(row.get(column)) : 0), 0);
  const responses: Record<string, number> = {};
  for (const hundred of hundreds) {
    const made = hundred === 4 || hundred === 5 ? own[hundred] : 0;
    const fromTargets = Math.max(0, sum('1', `hrsp_${hundred}xx`) - made);
    responses[`target${hundred}xx`] = fromTargets;
    responses[`elb${hundred}xx`] = Math.max(0, sum('0', `hrsp_${hundred}xx`) - fromTargets);
  }
  return { requests: sum('0', 'req_tot'), responses };
}

export function addCounters(a: NodeCounters, b: NodeCounters): NodeCounters {
  const responses: Record<string, number> = { ...a.responses };
  for (const [name, count] of Object.entries(b.responses)) responses[name] = (responses[name] ?? 0) + count;
  return { requests: a.requests + b.requests, responses };
}
