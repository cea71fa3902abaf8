/** Packets as a measure: datagrams sent and answered inside namespaces, each with the moment it was sent. */
import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { bindUdp } from '../packages/linux/src/host/namespace-sockets.ts';

/** A datagram socket in a namespace; without one, on this machine. */
export async function socketIn(namespace: string | undefined, port = 0): Promise<Socket> {
  const socket = createSocket('udp4');
  // A closed port is answered by an error, which is as good as none.
  socket.on('error', () => undefined);
  const bound = new Promise<void>((resolve) => socket.once('listening', resolve));
  if (namespace === undefined) socket.bind(port);
  else socket.bind({ fd: bindUdp(namespace, '0.0.0.0', port) });
  await bound;
  return socket;
}

/** Answers every datagram with `name` and what it said. */
export async function echo(namespace: string, port: number, name = ''): Promise<Socket> {
  const socket = await socketIn(namespace, port);
  socket.on('message', (message, from) =>
    socket.send(`${name} ${message}`, from.port, from.address, () => undefined),
  );
  return socket;
}

export interface Answer {
  /** Both on `performance.now`. */
  readonly sentAt: number;
  readonly cameAt: number;
  readonly by: string;
}

/** Asks an echo every millisecond, as one flow, until it is closed. */
export class Prober {
  readonly answers: Answer[] = [];
  #on = true;
  readonly #done: Promise<void>;

  constructor(socket: Socket, address: string, port: number) {
    socket.on('message', (message) => {
      const [by = '', sentAt] = String(message).split(' ');
      this.answers.push({ sentAt: Number(sentAt), cameAt: performance.now(), by });
    });
    const run = async (): Promise<void> => {
      while (this.#on) {
        socket.send(String(performance.now()), port, address, () => undefined);
        await delay(1);
      }
      socket.close();
    };
    this.#done = run();
  }

  /** The longest time, in ms, between two datagrams sent one after the other that were answered. */
  longestGap(fromMs: number, toMs: number): number {
    const sent = this.answers.map(({ sentAt }) => sentAt).filter((at) => at >= fromMs && at <= toMs);
    const moments = [fromMs, ...sent.toSorted((a, b) => a - b), toMs];
    return Math.max(...moments.slice(1).map((at, n) => at - moments[n]!));
  }

  async close(): Promise<void> {
    this.#on = false;
    await this.#done;
  }
}

/** Waits until `found` gives something; asks each millisecond. Throws, naming `what`, after `withinMs`. */
export async function soon<T>(what: string, withinMs: number, found: () => T | undefined): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const value = found();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`${what}: not within ${withinMs} ms`);
    await delay(1);
  }
}
