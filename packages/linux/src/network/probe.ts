/** Asks instances whether they are there: one ICMP echo socket in each router, kept open. */
import { createSocket, type Socket } from 'node:dgram';
import { bindPing } from '../host/namespace-sockets.ts';

/** How long a living neighbour may take; one without any answer fails after it. */
const DEADLINE_MS = 900;
/** An echo request that got lost, or waited for ARP on a busy machine, gets a second chance. */
const REPEAT_MS = 300;

const ECHO_REPLY = 0;

export interface Pinger {
  /** Does `address` answer an echo request from inside `namespace`? At most a second; milliseconds when it does. */
  answers(namespace: string, address: string): Promise<boolean>;
  /** Closes the socket of a namespace that is going. */
  forget(namespace: string): void;
  close(): void;
}

interface Asker {
  readonly socket: Socket;
  readonly waiting: Map<string, Set<() => void>>;
}

/** Type 8, code 0; identifier and checksum are the kernel's work. */
const echoRequest = Buffer.from([8, 0, 0, 0, 0, 0, 0, 1, ...Buffer.from('holdfast')]);

function openAsker(namespace: string): Asker {
  const waiting: Asker['waiting'] = new Map();
  const socket = createSocket('udp4');
  socket.on('message', (message, { address }) => {
    if (message[0] === ECHO_REPLY) for (const answered of waiting.get(address) ?? []) answered();
  });
  // An unreachable address is reported here; whoever asked runs into the deadline.
  socket.on('error', () => undefined);
  socket.bind({ fd: bindPing(namespace) });
  socket.unref();
  return { socket, waiting };
}

export function pinger(): Pinger {
  const askers = new Map<string, Asker>();
  const forget = (namespace: string): void => {
    askers.get(namespace)?.socket.close();
    askers.delete(namespace);
  };
  return {
    answers(namespace, address) {
      let asker = askers.get(namespace);
      if (!asker) {
        asker = openAsker(namespace);
        askers.set(namespace, asker);
      }
      const { socket, waiting } = asker;
      return new Promise<boolean>((resolve) => {
        const askers = waiting.get(address) ?? new Set();
        waiting.set(address, askers);
        const ask = (): void => socket.send(echoRequest, 1, address, () => undefined);
        const finish = (alive: boolean): void => {
          clearInterval(repeat);
          clearTimeout(deadline);
          askers.delete(answered);
          if (askers.size === 0) waiting.delete(address);
          resolve(alive);
        };
        const answered = (): void => finish(true);
        const repeat = setInterval(ask, REPEAT_MS);
        const deadline = setTimeout(() => finish(false), DEADLINE_MS);
        askers.add(answered);
        ask();
      });
    },
    forget,
    close: () => [...askers.keys()].forEach(forget),
  };
}
