/**
 * Asks the resolvers of this machine what no VPC knows. Messages pass as they are, so that every record type and
 * signature survives; answers are kept as long as they may be.
 */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect, isIP } from 'node:net';
import { agedAnswer, cacheSeconds } from './dns-messages.ts';

export interface DnsForwarder {
  /** The answer's bytes, with the id of `message`; undefined when no resolver answers in time. Never throws. */
  ask(message: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | undefined>;
}

export interface ForwarderOptions {
  /** Where the machine's resolvers stand. */
  readonly resolvConf: string;
  readonly port: number;
  /** How long one resolver may take. */
  readonly timeoutMs: number;
  readonly nowMs: () => number;
}

const ROUNDS = 2;
const MOST_RESOLVERS = 3;
const MOST_UNDER_WAY = 512;
const MOST_KEPT = 4_096;
const LONGEST_KEPT_SECONDS = 3_600;
const RESOLVERS_REREAD_MS = 5_000;

export const forwarderDefaults: ForwarderOptions = {
  resolvConf: '/etc/resolv.conf',
  port: 53,
  timeoutMs: 1_200,
  nowMs: () => performance.now(),
};

/** The nameservers of a resolv.conf, at most three as in resolv.conf(5). */
export function parseResolvers(text: string): string[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)]
    .map((match) => match[1]!)
    .filter((address) => isIP(address.split('%')[0]!) !== 0)
    .slice(0, MOST_RESOLVERS);
}

/** One question to one resolver by UDP, from a port of its own, with an id of its own. */
function askByUdp(message: Buffer, resolver: string, options: ForwarderOptions): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const query = Buffer.from(message);
    const id = randomInt(65_536);
    query.writeUInt16BE(id, 0);
    const socket = createSocket(resolver.includes(':') ? 'udp6' : 'udp4');
    let ended = false;
    const end = (answer?: Buffer) => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(end, options.timeoutMs);
    socket.on('error', () => end());
    socket.on('message', (answer) => {
      if (answer.length >= 12 && answer.readUInt16BE(0) === id && answer[2]! & 0x80) end(answer);
    });
    // A connected socket takes packets of this resolver only, and hears of it when nobody is there.
    socket.connect(options.port, resolver, () => {
      if (!ended) socket.send(query);
    });
  });
}

function askByTcp(message: Buffer, resolver: string, options: ForwarderOptions): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const connection = connect({ host: resolver, port: options.port });
    let received = Buffer.alloc(0);
    const end = (answer?: Buffer) => {
      clearTimeout(timer);
      connection.destroy();
      resolve(answer);
    };
    const timer = setTimeout(end, options.timeoutMs);
    connection.on('error', () => end());
    connection.once('close', () => end());
    connection.once('connect', () => connection.write(lengthPrefixed(message)));
    connection.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 2) return;
      const length = received.readUInt16BE(0);
      if (received.length < 2 + length) return;
      const answer = received.subarray(2, 2 + length);
      end(length >= 12 && answer.readUInt16BE(0) === message.readUInt16BE(0) ? answer : undefined);
    });
  });
}

/** A message as TCP carries it: RFC 1035, section 4.2.2. */
export function lengthPrefixed(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}

function resolverReader(options: ForwarderOptions): () => string[] {
  let resolvers: string[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (options.nowMs() - readAtMs > RESOLVERS_REREAD_MS) {
      readAtMs = options.nowMs();
      try {
        resolvers = parseResolvers(readFileSync(options.resolvConf, 'utf8'));
      } catch {
        resolvers = [];
      }
    }
    return resolvers;
  };
}

export function dnsForwarder(overrides: Partial<ForwarderOptions> = {}): DnsForwarder {
  const options = { ...forwarderDefaults, ...overrides };
  const resolvers = resolverReader(options);
  const kept = new Map<
    string,
    { readonly answer: Buffer; readonly atMs: number; readonly untilMs: number }
  >();
  const underWay = new Map<string, Promise<Buffer | undefined>>();

  const askResolvers = async (message: Buffer, transport: 'udp' | 'tcp'): Promise<Buffer | undefined> => {
    const ask = transport === 'udp' ? askByUdp : askByTcp;
    let failure: Buffer | undefined;
    for (let round = 0; round < ROUNDS; round++) {
      for (const resolver of resolvers()) {
        const answer = await ask(message, resolver, options);
        if (!answer) continue;
        // SERVFAIL and REFUSED of one resolver are a reason to ask the next one.
        if (![2, 5].includes(answer[3]! & 0x0f)) return answer;
        failure = answer;
      }
      if (failure) return failure;
    }
    return undefined;
  };
  const keep = (key: string, answer: Buffer): void => {
    let seconds = 0;
    try {
      seconds = Math.min(LONGEST_KEPT_SECONDS, cacheSeconds(answer));
    } catch {
      // What cannot be read is passed on, but not kept.
    }
    if (seconds <= 0) return;
    if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value!);
    kept.set(key, { answer, atMs: options.nowMs(), untilMs: options.nowMs() + seconds * 1_000 });
  };

  return {
    async ask(message, transport) {
      // All but the id: flags, question as it was spelt, and what the client says of itself.
      const key = transport + message.toString('latin1', 2);
      const id = message.readUInt16BE(0);
      const found = kept.get(key);
      if (found && found.untilMs > options.nowMs())
        return agedAnswer(found.answer, id, Math.floor((options.nowMs() - found.atMs) / 1_000));
      if (found) kept.delete(key);

      let asked = underWay.get(key);
      if (!asked) {
        if (underWay.size >= MOST_UNDER_WAY) return undefined;
        asked = askResolvers(message, transport).finally(() => underWay.delete(key));
        underWay.set(key, asked);
        const answer = await asked;
        if (answer) keep(key, answer);
      }
      const answer = await asked;
      if (!answer) return undefined;
      const own = Buffer.from(answer);
      own.writeUInt16BE(id, 0);
      return own;
    },
  };
}
