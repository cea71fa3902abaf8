/** A steady load on one URL, like that of many quiet users: so many requests each second, whether or not they succeed. */
import { Agent, request } from 'node:http';

export interface Request {
  /** When it was sent, on `performance.now`. */
  readonly sentAt: number;
  readonly endedAt: number;
  /** The HTTP status, or what kept an answer from coming: `ECONNREFUSED`, `timeout`. */
  readonly status: number | string;
  /** First word of the body: the instance that served it. */
  readonly servedBy?: string;
}

export const failed = (one: Request): boolean => typeof one.status !== 'number' || one.status >= 500;

export class Load {
  readonly requests: Request[] = [];
  readonly #url: string;
  readonly #patienceMs: number;
  // Each user has a connection of his own: one that waits does not keep the others waiting.
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4_096 });
  readonly #underWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #startedAt = 0;

  /** Each client gives up after `patienceMs` without an answer. */
  constructor(url: string, patienceMs = 15_000) {
    this.#url = url;
    this.#patienceMs = patienceMs;
  }

  /** Sends `perSecond` requests each second until `stop`, at most `most`. */
  start(perSecond: number, most: number): void {
    this.#startedAt = performance.now();
    this.#timer = setInterval(() => {
      const due = Math.min(most, Math.floor(((performance.now() - this.#startedAt) / 1000) * perSecond));
      for (; this.#sent < due; this.#sent += 1) this.#send();
    }, 1000 / perSecond);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    this.#agent.destroy();
  }

  /** The first request sent after `since` that this instance served. */
  firstServedBy(instance: string, since: number): Request | undefined {
    return this.requests.find((one) => one.servedBy === instance && one.sentAt >= since);
  }

  #send(): void {
    const done = this.#one().then((one) => void this.requests.push(one));
    this.#underWay.add(done);
    void done.finally(() => this.#underWay.delete(done));
  }

  #one(): Promise<Request> {
    const sentAt = performance.now();
    return new Promise((resolve) => {
      const end = (status: number | string, servedBy?: string): void =>
        resolve({ sentAt, endedAt: performance.now(), status, ...(servedBy && { servedBy }) });
      const sent = request(this.#url, { agent: this.#agent, timeout: this.#patienceMs }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          end(status, status === 200 ? body.split(' ')[0] : undefined);
        });
        response.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
      });
      sent.on('timeout', () => sent.destroy(Object.assign(new Error('timeout'), { code: 'timeout' })));
      sent.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
      sent.end();
    });
  }
}
