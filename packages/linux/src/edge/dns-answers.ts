/**
 * What the resolver of a VPC says to a question, as a plan: an answer of its own, or that somebody else must be asked.
 * Pure: state, liveness of addresses and chance are arguments.
 */
import type { Answer, Question } from 'dns-packet';
import { canonicalName, type NameRecord, type PublishedView } from './published-state.ts';

/** Is this address known not to accept TCP on this port? Seen from a VPC, or from the host where `vpcId` is absent. */
export type Refuses = (address: string, port: number, vpcId: string | undefined) => boolean;

export type DnsPlan =
  | {
      readonly kind: 'answer';
      readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'REFUSED';
      readonly answers: readonly Answer[];
      /** The zone that a negative answer comes from. */
      readonly zone?: string;
    }
  | { readonly kind: 'forward' };

const forward: DnsPlan = { kind: 'forward' };

/** Private and link-local ranges and this project's public one: nobody else may be asked who they are. */
const privateRanges = [
  /^(0|10|127)\./,
  /^172\.(1[6-9]|2\d|3[01])\./,
  /^192\.168\./,
  /^169\.254\./,
  /^198\.1[89]\./,
];

/** The domain of private DNS names. https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html */
const internalDomain = (region: string): string =>
  region === 'us-east-1' ? 'ec2.internal' : `${region}.compute.internal`;

const ADDRESS_TTL_SECONDS = 60;
const NO_ANSWER: readonly Answer[] = [];
const INTERNAL_NAME = /^(?:.+\.)?(ec2\.internal|[a-z0-9-]+\.compute\.internal)$/;

/** The addresses of one name, without those that are known to be dead, unless all are. */
export function addressesOf(records: readonly NameRecord[], refuses: Refuses): string[] {
  const living = new Set<string>();
  const all = new Set<string>();
  for (const { addresses, check, vpcId } of records) {
    for (const address of addresses) {
      all.add(address);
      if (!check || !refuses(address, check.port, vpcId)) living.add(address);
    }
  }
  return [...(living.size > 0 ? living : all)];
}

/** Begins the list somewhere else, so that clients that take the first address spread. `chance` is in [0, 1). */
export function rotate<T>(list: readonly T[], chance: number): T[] {
  const start = Math.floor(chance * list.length);
  return [...list.slice(start), ...list.slice(0, start)];
}

function planPublished(question: Question, records: readonly NameRecord[], refuses: Refuses, chance: number) {
  const ttl = Math.min(...records.map((record) => record.ttlSeconds));
  const asked = question.type === 'A' || question.type === 'ANY';
  const answers = asked
    ? rotate(addressesOf(records, refuses), chance).map(
        (data): Answer => ({ name: question.name, type: 'A', class: 'IN', ttl, data }),
      )
    : NO_ANSWER;
  return { kind: 'answer', rcode: 'NOERROR', answers, zone: canonicalName(question.name) } as const;
}

/** `ip-10-0-0-5.us-west-2.compute.internal` is every instance's name, published or not. */
function planInternal(question: Question, name: string, zone: string, vpcId: string, view: PublishedView) {
  const address = /^ip-(\d+)-(\d+)-(\d+)-(\d+)\./.exec(name)?.slice(1).join('.');
  const metadata = address === undefined ? undefined : view.metadata(vpcId, address);
  const known = metadata && internalDomain(metadata.region) === zone && name === internalName(address!, zone);
  if (!known) return { kind: 'answer', rcode: 'NXDOMAIN', answers: NO_ANSWER, zone } as const;
  const asked = question.type === 'A' || question.type === 'ANY';
  const answer: Answer = {
    name: question.name,
    type: 'A',
    class: 'IN',
    ttl: ADDRESS_TTL_SECONDS,
    data: address,
  };
  return { kind: 'answer', rcode: 'NOERROR', answers: asked ? [answer] : NO_ANSWER, zone } as const;
}

const internalName = (address: string, zone: string): string => `ip-${address.replaceAll('.', '-')}.${zone}`;

function planReverse(question: Question, name: string, vpcId: string, view: PublishedView): DnsPlan {
  const address = name.slice(0, -'.in-addr.arpa'.length).split('.').reverse().join('.');
  const region = view.metadata(vpcId, address)?.region;
  const target = region ? internalName(address, internalDomain(region)) : view.publicHostname(address);
  const zone = name;
  if (target === undefined) {
    if (!privateRanges.some((range) => range.test(`${address}.`))) return forward;
    return { kind: 'answer', rcode: 'NXDOMAIN', answers: NO_ANSWER, zone };
  }
  const asked = question.type === 'PTR' || question.type === 'ANY';
  const answer: Answer = {
    name: question.name,
    type: 'PTR',
    class: 'IN',
    ttl: ADDRESS_TTL_SECONDS,
    data: target,
  };
  return { kind: 'answer', rcode: 'NOERROR', answers: asked ? [answer] : NO_ANSWER, zone };
}

/** Plans the answer to one question from one VPC. */
export function planAnswer(
  question: Question,
  vpcId: string,
  view: PublishedView,
  refuses: Refuses,
  chance: number,
): DnsPlan {
  if (question.class !== 'IN') return { kind: 'answer', rcode: 'REFUSED', answers: NO_ANSWER };
  const name = canonicalName(question.name);
  const records = view.names(vpcId, name);
  if (records.length > 0) return planPublished(question, records, refuses, chance);

  const zone = INTERNAL_NAME.exec(name)?.[1];
  if (zone) return planInternal(question, name, zone, vpcId, view);
  if (name === 'localhost') {
    const data = { A: '127.0.0.1', AAAA: '::1' }[question.type];
    const answers = data
      ? [{ name: question.name, type: question.type, class: 'IN', ttl: ADDRESS_TTL_SECONDS, data }]
      : NO_ANSWER;
    return { kind: 'answer', rcode: 'NOERROR', answers, zone: 'localhost' };
  }
  // RFC 6761, section 6.3: names below localhost stay on this machine. One that is not published does not exist; were
  // it to lead to loopback, the clients of a deleted load balancer would go on inside their own instance.
  if (name.endsWith('.localhost'))
    return { kind: 'answer', rcode: 'NXDOMAIN', answers: NO_ANSWER, zone: 'localhost' };
  if (name.endsWith('.in-addr.arpa')) return planReverse(question, name, vpcId, view);
  return forward;
}
