/** DNS messages as bytes: answers that fit their transport, and foreign answers kept and handed on unread. */
import * as dns from 'dns-packet';
import type { DnsPlan } from './dns-answers.ts';

const HEADER_BYTES = 12;
/** What fits one packet everywhere. https://www.dnsflagday.net/2020/ */
const LARGEST_UDP_ANSWER = 1232;
/** RFC 1035, section 2.3.4: what a client takes that did not say more. */
const SMALLEST_UDP_ANSWER = 512;
/** Negative answers are not to be kept: a name may be published any moment. */
const NEGATIVE_TTL_SECONDS = 1;

/** How large an answer by UDP may be for whoever sent this query. */
function largestUdpAnswer(query: dns.Packet): number {
  const offered = query.additionals?.find(({ type }) => type === 'OPT')?.udpPayloadSize ?? 0;
  return Math.min(LARGEST_UDP_ANSWER, Math.max(SMALLEST_UDP_ANSWER, offered));
}

const optRecord: dns.Answer = { type: 'OPT', name: '.', udpPayloadSize: LARGEST_UDP_ANSWER, flags: 0 };

function negativeAuthority(zone: string): dns.Answer {
  const data = {
    mname: zone,
    rname: `hostmaster.${zone}`,
    serial: 1,
    refresh: NEGATIVE_TTL_SECONDS,
    retry: NEGATIVE_TTL_SECONDS,
    expire: NEGATIVE_TTL_SECONDS,
    minimum: NEGATIVE_TTL_SECONDS,
  };
  return { name: zone, type: 'SOA', class: 'IN', ttl: NEGATIVE_TTL_SECONDS, data };
}

/** The bytes of an own answer. One that is too large for UDP is left out, and the client asks again by TCP. */
export function encodeAnswer(query: dns.Packet, plan: DnsPlan & { kind: 'answer' }, udp: boolean): Buffer {
  const edns = query.additionals?.some(({ type }) => type === 'OPT') ?? false;
  const negative = plan.answers.length === 0 && plan.zone !== undefined;
  const response = (answers: readonly dns.Answer[], truncated: boolean): Buffer =>
    encodeResponse(query, plan.rcode, {
      flags: dns.AUTHORITATIVE_ANSWER | (truncated ? dns.TRUNCATED_RESPONSE : 0),
      answers,
      authorities: negative ? [negativeAuthority(plan.zone!)] : [],
      additionals: edns ? [optRecord] : [],
    });
  const whole = response(plan.answers, false);
  return udp && whole.length > largestUdpAnswer(query) ? response([], true) : whole;
}

/** A response without records, such as SERVFAIL. */
export function encodeFailure(query: dns.Packet, rcode: string): Buffer {
  return encodeResponse(query, rcode, {});
}

/** Numbers of RFC 1035, section 4.1.1. The package derives the code from the flags' low bits. */
const rcodes: Readonly<Record<string, number>> = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
};

function encodeResponse(query: dns.Packet, rcode: string, rest: dns.Packet): Buffer {
  const asked = (query.flags ?? 0) & dns.RECURSION_DESIRED;
  return dns.encode({
    ...rest,
    id: query.id ?? 0,
    type: 'response',
    flags: (rest.flags ?? 0) | asked | dns.RECURSION_AVAILABLE | rcodes[rcode]!,
    questions: query.questions ?? [],
  });
}

/** A query as bytes can be decoded and asks exactly one ordinary question, or says what is wrong with it. */
export function decodeQuery(
  message: Buffer,
):
  | { readonly query: dns.Packet; readonly question: dns.Question }
  | { readonly reject: Buffer }
  | { readonly ignore: true } {
  // Whoever answers answers could be made to talk with himself.
  if (message.length < HEADER_BYTES || message[2]! & 0x80) return { ignore: true };
  const opcode = (message[2]! >> 3) & 0x0f;
  const bare: dns.Packet = { id: message.readUInt16BE(0), flags: message.readUInt16BE(2) & 0x0100 };
  if (opcode !== 0) return { reject: encodeFailure(bare, 'NOTIMP') };
  try {
    const query = dns.decode(message);
    const question = query.questions?.[0];
    if (!question || query.questions?.length !== 1) return { reject: encodeFailure(bare, 'FORMERR') };
    return { query, question };
  } catch {
    return { reject: encodeFailure(bare, 'FORMERR') };
  }
}

/** Where the time to live of each record of a message stands, OPT left out. Throws when the message is no message. */
export function timeToLiveOffsets(message: Buffer): number[] {
  const count = (at: number) => message.readUInt16BE(at);
  let at = HEADER_BYTES;
  const skipName = () => {
    for (;;) {
      const length = message.readUInt8(at);
      // A pointer to an earlier name ends a name as well as its empty last label does.
      at += length >= 0xc0 ? 2 : length + 1;
      if (length === 0 || length >= 0xc0) return;
    }
  };
  for (let left = count(4); left > 0; left--) {
    skipName();
    at += 4;
  }
  const offsets: number[] = [];
  for (let left = count(6) + count(8) + count(10); left > 0; left--) {
    skipName();
    const type = count(at);
    if (type !== 41) offsets.push(at + 4);
    at += 10 + count(at + 8);
  }
  if (at > message.length) throw new RangeError('record ends after its message');
  return offsets;
}

/** How long a foreign answer may be kept, in seconds; 0 for one that must not be. */
export function cacheSeconds(message: Buffer): number {
  const truncated = (message[2]! & 0x02) !== 0;
  const rcode = message[3]! & 0x0f;
  if (truncated || (rcode !== 0 && rcode !== 3)) return 0;
  const offsets = timeToLiveOffsets(message);
  return offsets.length === 0 ? 0 : Math.min(...offsets.map((offset) => message.readUInt32BE(offset)));
}

/** A kept answer for another query: its id, and times to live that have gone down by `ageSeconds`. */
export function agedAnswer(message: Buffer, id: number, ageSeconds: number): Buffer {
  const answer = Buffer.from(message);
  answer.writeUInt16BE(id, 0);
  for (const offset of timeToLiveOffsets(answer))
    answer.writeUInt32BE(Math.max(0, answer.readUInt32BE(offset) - ageSeconds), offset);
  return answer;
}
