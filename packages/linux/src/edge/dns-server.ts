/** The resolver of one VPC: UDP and TCP on port 53 of its router. */
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import { planAnswer, type Refuses } from './dns-answers.ts';
import { type DnsForwarder, lengthPrefixed } from './dns-forwarder.ts';
import { decodeQuery, encodeAnswer, encodeFailure } from './dns-messages.ts';
import type { PublishedView } from './published-state.ts';

export interface DnsAnswering {
  readonly view: PublishedView;
  readonly refuses: Refuses;
  readonly forwarder: DnsForwarder;
  /** A number in [0, 1). */
  readonly chance: () => number;
}

/** The answer to one message of a VPC; undefined for what is no query. Never throws. */
export async function answerMessage(
  message: Buffer,
  vpcId: string,
  transport: 'udp' | 'tcp',
  { view, refuses, forwarder, chance }: DnsAnswering,
): Promise<Buffer | undefined> {
  const decoded = decodeQuery(message);
  if ('ignore' in decoded) return undefined;
  if ('reject' in decoded) return decoded.reject;
  const { query, question } = decoded;
  try {
    const plan = planAnswer(question, vpcId, view, refuses, chance());
    if (plan.kind === 'answer') return encodeAnswer(query, plan, transport === 'udp');
    return (await forwarder.ask(message, transport)) ?? encodeFailure(query, 'SERVFAIL');
  } catch {
    return encodeFailure(query, 'SERVFAIL');
  }
}

/** Answers every message that comes in on a bound socket. */
export function serveDnsUdp(socket: DatagramSocket, vpcId: string, answering: DnsAnswering): void {
  socket.on('message', (message, from) => {
    void answerMessage(message, vpcId, 'udp', answering).then((answer) => {
      if (!answer) return;
      try {
        // An asker that is gone is nobody's fault.
        socket.send(answer, from.port, from.address, () => {});
      } catch {
        // The socket was closed while somebody else was asked.
      }
    });
  });
}

const IDLE_MS = 10_000;
const MOST_CONNECTIONS = 128;
const LARGEST_QUERY = 4_096;

/** Answers every message of every connection, in turn. Returns what ends the connections. */
export function serveDnsTcp(server: Server, vpcId: string, answering: DnsAnswering): () => void {
  server.maxConnections = MOST_CONNECTIONS;
  const connections = new Set<Socket>();
  server.on('connection', (connection) => {
    connections.add(connection);
    connection.setTimeout(IDLE_MS, () => connection.destroy());
    connection.on('error', () => connection.destroy());
    connection.on('close', () => connections.delete(connection));
    void answerConnection(connection, vpcId, answering).catch(() => connection.destroy());
  });
  return () => {
    for (const connection of connections) connection.destroy();
  };
}

async function answerConnection(connection: Socket, vpcId: string, answering: DnsAnswering): Promise<void> {
  let received = Buffer.alloc(0);
  for await (const bytes of connection) {
    received = Buffer.concat([received, bytes as Buffer]);
    while (received.length >= 2) {
      const length = received.readUInt16BE(0);
      if (length > LARGEST_QUERY) return void connection.destroy();
      if (received.length < 2 + length) break;
      const answer = await answerMessage(received.subarray(2, 2 + length), vpcId, 'tcp', answering);
      received = received.subarray(2 + length);
      if (!answer || connection.destroyed) return void connection.destroy();
      connection.write(lengthPrefixed(answer));
    }
  }
}
