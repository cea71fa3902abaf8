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

export function reportText(requests: readonly Request[], incidents: readonly Incident[]): string {
  const failures = requests.filter(failed);
  const served = requests.filter((one) => !failed(one)).map((one) => one.endedAt - one.sentAt);
  const lines: string[] = [];
  incidents.forEach((incident, at) => {
    const end = incidents[at + 1]?.struckAt ?? Number.POSITIVE_INFINITY;
    const lost = failures.filter((one) => one.sentAt >= incident.struckAt - 1000 && one.sentAt < end);
    lines.push(
      incident.what,
      `  time to detection               ${seconds(incident.detectedAt - incident.struckAt)}`,
      `  replacement launched            ${seconds(incident.replacedAt - incident.struckAt)}   ${incident.replacement}`,
      `  replacement answers             ${seconds(incident.servingAt - incident.struckAt)}   through the load balancer`,
      `  requests failed                 ${lost.length}${lost.length > 0 ? `   (${byStatus(lost)})` : ''}`,
    );
  });
  const availability = requests.length === 0 ? 0 : (1 - failures.length / requests.length) * 100;
  lines.push(
    'all in all',
    `  requests sent                   ${requests.length}   (${byStatus(requests)})`,
    `  requests failed                 ${failures.length}`,
    `  availability                    ${availability.toFixed(3)} %`,
    `  response time                   p50 ${percentile(served, 0.5).toFixed(1)} ms, p99 ${percentile(served, 0.99).toFixed(1)} ms`,
  );
  return lines.join('\n');
}
