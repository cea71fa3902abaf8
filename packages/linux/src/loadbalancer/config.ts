/**
 * An Application Load Balancer's behaviour said in HAProxy's language. Pure: a node in, files out.
 *
 * The cost of one request decides how this is written. What AWS adds to every request is done without regular
 * expressions; what concerns errors only (pages, `Server`, counters) hangs on the error, not on the request.
 */

import { join } from 'node:path';
import type {
  ListenerSpec,
  LoadBalancerNodeSpec,
  TargetGroupSpec,
  TargetSpec,
} from '@holdfast/region/drivers/loadbalancer.ts';
import { backendName } from './names.ts';
import { page, statusLine } from './pages.ts';

/** Connecting to a target takes at most this long, then the client gets 504 (load-balancer-troubleshooting.html). */
const connectTimeoutMs = 10_000;

/** An old process that still has connections after a change of listeners ends at the latest after this time. */
const hardStopAfter = '1h';

/** A target that is not known yet is checked this often at least. */
const initialIntervalMs = 150;

/** Stands on each answer that HAProxy makes itself, until it is counted; it never leaves the node. */
const ownMark = 'x-holdfast-own';

export interface ConfigOptions {
  /** The node's folder: the runtime socket and the pages stand there. */
  readonly directory: string;
  /** Worker threads of the process. */
  readonly threads: number;
  /** The connect timeout in ms; 10 s when absent, as AWS has it. */
  readonly connectTimeoutMs?: number;
}

/** A server that stands in the configuration from the start: one that ran before a change of the configuration. */
export interface ConfiguredServer {
  readonly backend: string;
  readonly name: string;
  readonly settings: string;
}

export interface NodeConfig {
  readonly text: string;
  /** Bodies, by the name of their file in the node's folder. */
  readonly pages: Readonly<Record<string, string>>;
}

/** A word of a HAProxy line that is taken as it stands. */
export const quote = (text: string): string => `"${text.replace(/[\\"$]/g, '\\$&')}"`;

export const socketPath = (directory: string): string => join(directory, 'haproxy.sock');
export const stateFilePath = (directory: string): string => join(directory, 'servers.state');

const ownHeaders = `hdr server awselb/2.0 hdr date "%[date,http_date]"`;

function globalSection(options: ConfigOptions): string[] {
  return [
    'global',
    `  stats socket ${quote(socketPath(options.directory))} mode 600 level admin expose-fd listeners`,
    '  stats timeout 1h',
    '  stats maxconn 20',
    '  user haproxy',
    '  group haproxy',
    `  chroot ${quote(join(options.directory, 'root'))}`,
    `  nbthread ${options.threads}`,
    // As many connections as the machine's limit on files allows, two files each, up to this.
    '  fd-hard-limit 40000',
    `  hard-stop-after ${hardStopAfter}`,
    // The first check of a new server comes after at most this time instead of one interval.
    '  max-spread-checks 20ms',
    `  server-state-file ${quote(stateFilePath(options.directory))}`,
    '  set-var proc.own4xx int(0)',
    '  set-var proc.own5xx int(0)',
  ];
}

/** `idle-close-on-response` lets a keep-alive client finish its next request when a new process takes over. */
function timeouts(node: LoadBalancerNodeSpec, options: ConfigOptions): string[] {
  const idle = `${node.idleTimeoutMs}ms`;
  return [
    '  mode http',
    '  option idle-close-on-response',
    '  http-reuse safe',
    // AWS does not send a request to a second target when the first one fails.
    '  retries 0',
    `  timeout connect ${options.connectTimeoutMs ?? connectTimeoutMs}ms`,
    `  timeout client ${idle}`,
    `  timeout server ${idle}`,
    `  timeout http-request ${idle}`,
    `  timeout http-keep-alive ${idle}`,
    `  timeout tunnel ${idle}`,
    '  load-server-state-from-file global',
  ];
}

const pageFile = (options: ConfigOptions, name: string): string => quote(join(options.directory, name));

function ownErrors(options: ConfigOptions, statuses: readonly number[], mark: string): string[] {
  return statuses.map(
    (status) =>
      `  http-error status ${status} content-type text/html file ${pageFile(options, `${status}.html`)} ${ownHeaders}${mark}`,
  );
}

const traceId = `1-%[date,hex,bytes(8,8),lower]-${'%[rand,hex,bytes(8,8),lower]'.repeat(3)}`;

/**
 * What AWS adds to a request (x-forwarded-headers.html, load-balancer-request-tracing.html): the client's address after
 * those that were there, and a trace whose root is made here unless the client brought one.
 */
function requestHeaders(listener: ListenerSpec): string[] {
  const trace = 'req.hdr(x-amzn-trace-id)';
  return [
    '  option forwardfor if-none',
    '  http-request add-header x-forwarded-for %[src] if { req.fhdr_cnt(x-forwarded-for) gt 1 }',
    '  http-request set-header x-forwarded-for "%[req.fhdr(x-forwarded-for)], %[src]" if { req.fhdr_cnt(x-forwarded-for) eq 1 }',
    '  http-request set-header x-forwarded-proto http',
    `  http-request set-header x-forwarded-port ${listener.port}`,
    `  http-request set-header x-amzn-trace-id "Root=${traceId}" unless { ${trace} -m found }`,
  ];
}

/** Where the client brought a trace: in its own proxy, so that requests without one do not pay for it. */
function tracedRequestHeaders(): string[] {
  const trace = 'req.hdr(x-amzn-trace-id)';
  return [
    `  http-request set-header x-amzn-trace-id "Self=${traceId};%[req.fhdr(x-amzn-trace-id),regsub(Self=[^;]*;?,,g)]" if { ${trace} -m sub Root= }`,
    `  http-request set-header x-amzn-trace-id "Root=${traceId};%[req.fhdr(x-amzn-trace-id)]" if { ${trace} -m found } !{ ${trace} -m sub Root= }`,
  ];
}

/** `#{host}` and the like in a redirect, as HAProxy's formats; everything else is literal. */
function redirectPart(text: string, listener: ListenerSpec): string {
  const values: Readonly<Record<string, string>> = {
    protocol: 'http',
    host: '%[req.hdr(host),host_only]',
    port: String(listener.port),
    path: '%[path,regsub(^/,)]',
    query: '%[query]',
  };
  return text
    .split(/(#\{(?:protocol|host|port|path|query)\})/)
    .map((part, index) => (index % 2 ? values[part.slice(2, -1)]! : part.replace(/%/g, '%%')))
    .join('');
}

function action(
  listener: ListenerSpec,
  index: number,
  options: ConfigOptions,
  pages: Record<string, string>,
): string[] {
  const chosen = listener.defaultAction;
  if (chosen.kind === 'fixed-response') {
    const name = `fixed-${index}`;
    if (!chosen.body) return [`  http-request return status ${chosen.status} ${ownHeaders}`];
    pages[name] = chosen.body;
    const type = quote(chosen.contentType || 'text/plain');
    return [
      `  http-request return status ${chosen.status} content-type ${type} file ${pageFile(options, name)} ${ownHeaders}`,
    ];
  }
  if (chosen.kind === 'redirect') {
    pages[`${chosen.status}.html`] = page(statusLine(chosen.status));
    const protocol = chosen.protocol === '#{protocol}' ? chosen.protocol : chosen.protocol.toLowerCase();
    const to = redirectPart(`${protocol}://${chosen.host}:${chosen.port}${chosen.path}`, listener);
    const answer = (location: string, condition: string): string =>
      `  http-request return status ${chosen.status} content-type text/html file ${pageFile(options, `${chosen.status}.html`)} ${ownHeaders} hdr location ${quote(location)}${condition}`;
    if (!chosen.query) return [answer(to, '')];
    const query = redirectPart(chosen.query, listener);
    if (chosen.query !== '#{query}') return [answer(`${to}?${query}`, '')];
    return [answer(`${to}?${query}`, ' if { query -m len gt 0 }'), answer(to, '')];
  }
  const groups = chosen.targetGroups.filter((group) => group.weight > 0);
  const last = groups.at(-1);
  if (!last) return [noTargets(options, '')];
  const lines: string[] = [];
  if (groups.length > 1) {
    const total = groups.reduce((sum, group) => sum + group.weight, 0);
    lines.push(`  http-request set-var(txn.share) rand(${total})`);
    let share = 0;
    for (const group of groups.slice(0, -1)) {
      share += group.weight;
      lines.push(`  use_backend ${backendName(group.id)} if { var(txn.share) -m int lt ${share} }`);
    }
  }
  return [...lines, `  default_backend ${backendName(last.id)}`];
}

const noTargets = (options: ConfigOptions, rest: string): string =>
  `  http-request return status 503 content-type text/html file ${pageFile(options, '503.html')} ${ownHeaders}${rest}`;

function frontend(
  listener: ListenerSpec,
  index: number,
  node: LoadBalancerNodeSpec,
  options: ConfigOptions,
  pages: Record<string, string>,
): string[] {
  const forwards = listener.defaultAction.kind === 'forward';
  return [
    `frontend listener-${listener.port} from client`,
    // A listening socket for each thread: the kernel shares connections out, and no thread waits for another's lock.
    `  bind ${node.address}:${listener.port} shards by-thread`,
    ...(forwards
      ? [
          '  http-request set-var(txn.start) date(0,ms)',
          ...tracedRequestHeaders(),
          ...requestHeaders(listener),
        ]
      : []),
    ...action(listener, index, options, pages),
  ];
}

/**
 * HAProxy says 503 for three things that AWS tells apart (load-balancer-troubleshooting.html): no target is registered
 * (503), a target cannot be connected to (502), connecting took too long (504). A backend without servers is answered
 * before HAProxy looks for one; what is left of its 503 is a failed connection, and the time it took says which. (A
 * process that is being replaced counts no servers any more but still has them: there, HAProxy looks for itself.)
 */
function errorRules(options: ConfigOptions): string[] {
  const limit = (options.connectTimeoutMs ?? connectTimeoutMs) - 50;
  const took = 'date(0,ms),sub(txn.start)';
  const title = `%[${took},div(${limit}),bool,iif(${statusLine(504)},${statusLine(502)})]`;
  const body = page(title).replace(/\r\n/g, '\\r\\n');
  const own = `{ res.hdr(${ownMark}) -m found }`;
  const failed = `{ status 503 } { res.hdr(${ownMark}) connect } { srv_id -m found }`;
  return [
    noTargets(options, ` hdr ${ownMark} 1 if { nbsrv eq 0 } !{ stopping }`),
    ...ownErrors(options, [400, 408, 413, 500, 501, 502, 504], ` hdr ${ownMark} 1`),
    `  http-error status 503 content-type text/html lf-string "${body}" ${ownHeaders} hdr ${ownMark} connect`,
    `  http-response del-header ${ownMark} if { status ge 400 }`,
    // The usual answer has nothing to do with the rest.
    '  http-after-response allow if { status lt 400 }',
    `  http-after-response set-status 502 reason "Bad Gateway" if ${failed} { ${took} lt ${limit} }`,
    `  http-after-response set-status 504 reason "Gateway Time-out" if ${failed}`,
    `  http-after-response set-var(proc.own5xx) var(proc.own5xx),add(1) if ${own} { status ge 500 }`,
    `  http-after-response set-var(proc.own4xx) var(proc.own4xx),add(1) if ${own} { status lt 500 }`,
    `  http-after-response del-header ${ownMark}`,
  ];
}

function backend(
  group: TargetGroupSpec,
  servers: readonly ConfiguredServer[],
  options: ConfigOptions,
): string[] {
  const check = group.healthCheck;
  const name = backendName(group.id);
  return [
    `backend ${name} from target`,
    `  balance ${group.algorithm === 'round_robin' ? 'roundrobin' : 'leastconn'}`,
    '  option allbackups',
    ...errorRules(options),
    '  option httpchk',
    `  http-check send meth GET uri ${quote(check.path)} ver HTTP/1.1 hdr Host %[bc_dst]:%[bc_dst_port] hdr User-Agent ELB-HealthChecker/2.0 hdr Accept-Encoding "gzip, compressed"`,
    `  http-check expect status ${check.matcher}`,
    `  timeout check ${check.timeoutMs}ms`,
    // Servers have these settings each for itself; they stand here too so that a change of them changes this text.
    `  # servers: ${group.protocol} ${checkSettings(group, 'steady')}`,
    ...servers
      .filter((server) => server.backend === name)
      .map((server) => `  server ${server.name} ${server.settings}`),
  ];
}

function checkSettings(group: TargetGroupSpec, role: 'initial' | 'steady'): string {
  const check = group.healthCheck;
  if (!check.enabled) return '';
  const interval = role === 'initial' ? Math.min(initialIntervalMs, check.intervalMs) : check.intervalMs;
  const rise = role === 'initial' ? 1 : check.healthyThreshold;
  const words = [`check inter ${interval}ms rise ${rise} fall ${check.unhealthyThreshold}`];
  if (check.port !== undefined) words.push(`port ${check.port}`);
  if (check.protocol === 'HTTPS') words.push('check-ssl verify none');
  else if (group.protocol === 'HTTPS') words.push('no-check-ssl');
  return words.join(' ');
}

/** A server that is added later keeps no idle connection unless told so: a connection for each request, half the speed. */
const keepAlive = 'pool-max-conn -1 pool-purge-delay 5s';

/** Address and keywords of a target's server, as `server` and `add server` take them. */
export function serverSettings(
  group: TargetGroupSpec,
  target: TargetSpec,
  role: 'initial' | 'steady' | 'open',
): string {
  const words = [`${target.address}:${target.port}`, keepAlive];
  words.push(role === 'open' ? 'backup' : checkSettings(group, role));
  if (group.protocol === 'HTTPS') words.push('ssl verify none');
  return words.filter(Boolean).join(' ');
}

/** The whole configuration of a node; `servers` are those that already run and go on running. */
export function renderConfig(
  node: LoadBalancerNodeSpec,
  options: ConfigOptions,
  servers: readonly ConfiguredServer[] = [],
): NodeConfig {
  const statuses = [400, 408, 413, 500, 501, 502, 503, 504];
  const pages: Record<string, string> = {};
  for (const status of statuses) pages[`${status}.html`] = page(statusLine(status));
  const lines = [
    ...globalSection(options),
    'defaults client',
    ...timeouts(node, options),
    ...ownErrors(options, statuses, ''),
    'defaults target',
    ...timeouts(node, options),
    ...node.listeners.flatMap((listener, index) => frontend(listener, index, node, options, pages)),
    ...node.targetGroups.flatMap((group) => backend(group, servers, options)),
  ];
  return { text: `${lines.join('\n')}\n`, pages };
}
