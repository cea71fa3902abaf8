/** What a day cost: failed requests, time to detection, time to replacement, availability. */
import { failed, type Request } from './load.ts';

/** One blow and what came of it; times are on `performance.now`. */
export interface Incident {
  readonly what: string;
  readonly struckAt: number;
  /** The API first showed that the instance is no longer in service. */
  readonly detectedAt: number;
  /** The API first showed the replacement. */
  readonly replacedAt: number;
  /** The first request that the replacement answered through the load balancer was sent. */
  readonly servingAt: number;
  readonly replacement: string;
  /** Further times, by what happened then. */
  readonly also?: readonly { readonly what: string; readonly at: number; readonly detail: string }[];
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

function byStatus(requests: readonly Request[]): string {
  const counts = new Map<string, number>();
  for (const one of requests) counts.set(String(one.status), (counts.get(String(one.status)) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${count} × ${status}`).join(', ');
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Label and value stand in columns. */
const row = (label: string, value: string, detail = ''): string =>
  `  ${label.padEnd(32)}${value}${detail && `   ${detail}`}`;

function incidentLines(incident: Incident, lost: readonly Request[]): string[] {
  const { struckAt } = incident;
  const after = (at: number): string => seconds(at - struckAt);
  const last = Math.max(struckAt, ...lost.map((one) => one.sentAt));
  return [
    incident.what,
    row('time to detection', after(incident.detectedAt)),
    row('replacement launched', after(incident.replacedAt), incident.replacement),
    row('replacement answers', after(incident.servingAt), 'through the load balancer'),
    ...(incident.also ?? []).map(({ what, at, detail }) => row(what, after(at), detail)),
    row('requests failed', String(lost.length), lost.length > 0 ? `(${byStatus(lost)})` : ''),
    ...(lost.length > 0 ? [row('last failed request sent', after(last))] : []),
  ];
}

/** Sent after the blow, or under way when it fell. */
const hitBy = ({ struckAt }: Incident, { sentAt, endedAt }: Request): boolean =>
  sentAt >= struckAt || (endedAt >= struckAt && sentAt >= struckAt - 1000);

export function reportText(requests: readonly Request[], incidents: readonly Incident[]): string {
  const failures = requests.filter(failed);
  const served = requests.filter((one) => !failed(one)).map((one) => one.endedAt - one.sentAt);
  const lines: string[] = [];
  incidents.forEach((incident, at) => {
    const next = incidents[at + 1];
    const lost = failures.filter((one) => hitBy(incident, one) && !(next && hitBy(next, one)));
    lines.push(...incidentLines(incident, lost));
  });
  const availability = requests.length === 0 ? 0 : (1 - failures.length / requests.length) * 100;
  lines.push(
    'all in all',
    row('requests sent', String(requests.length), `(${byStatus(requests)})`),
    row('requests failed', String(failures.length)),
    row('availability', `${availability.toFixed(3)} %`),
    row(
      'response time',
      `p50 ${percentile(served, 0.5).toFixed(1)} ms, p99 ${percentile(served, 0.99).toFixed(1)} ms`,
    ),
  );
  return lines.join('\n');
}
