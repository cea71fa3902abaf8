/**
 * The kernel's netlink protocol: just what is needed to ask for links, addresses, routes and rules and to change them.
 * A call costs some ten microseconds, where starting `ip` costs milliseconds. Messages are described in netlink(7) and
 * rtnetlink(7).
 */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { bind, callFailed, inNamespace, recv, send, setsockopt, socket } from './libc.ts';

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const HEADER = 16;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
const NLM_F_DUMP = 0x300;
const NLA_TYPE_MASK = 0x3fff;

/** An attribute: type, then its bytes, padded to four. */
export function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

export const nested = (type: number, ...attributes: Buffer[]): Buffer =>
  attribute(type, Buffer.concat(attributes));
export const text = (value: string): Buffer => Buffer.from(`${value}\0`);
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}
export const ipv4 = (address: string): Buffer => Buffer.from(address.split('.').map(Number));
export const ipv4Text = (bytes: Buffer): string => bytes.subarray(0, 4).join('.');

/** The attributes that stand in `bytes` from `offset` on, by type. Of several of one type the last counts. */
export function attributesOf(bytes: Buffer, offset: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  while (offset + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(offset);
    if (length < 4) break;
    found.set(bytes.readUInt16LE(offset + 2) & NLA_TYPE_MASK, bytes.subarray(offset + 4, offset + length));
    offset += (length + 3) & ~3;
  }
  return found;
}

/** The kernel said no. `code` is the error's name, such as EEXIST or ENODEV. */
export class NetlinkError extends Error {
  readonly code: string;
  constructor(errno: number, about: string) {
    const code =
      Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
    super(`${about}: ${code}`);
    this.code = code;
  }
}

export interface Netlink {
  /** Sends one message and waits until the kernel has done it. Throws a NetlinkError that begins with `about`. */
  request(type: number, flags: number, body: Buffer, about: string): void;
  /** As `request`, and true; false when the kernel's answer is one of `tolerated`. */
  attempt(type: number, flags: number, body: Buffer, about: string, ...tolerated: string[]): boolean;
  /** The bodies of the messages that answer a question about one thing. Throws as `request` does. */
  get(type: number, body: Buffer, about: string): Buffer[];
  /** The bodies of all messages that answer a dump. */
  dump(type: number, body: Buffer): Buffer[];
  close(): void;
}

/** The receive buffer is shared: every exchange is synchronous, and what is kept of it is copied. */
const incoming = Buffer.alloc(256 * 1024);

/** Opens a netlink socket in a namespace; without a name, in this machine's own. It stays there. */
export function openNetlink(namespace: string | undefined, protocol = NETLINK_ROUTE): Netlink {
  const open = (): number => {
    const fd: number = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
    if (fd < 0) throw callFailed('socket', 'netlink');
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK, 0);
    if (bind(fd, address, 12) !== 0) throw callFailed('bind', 'netlink');
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, u32(4 * 1024 * 1024), 4);
    return fd;
  };
  const fd = namespace === undefined ? open() : inNamespace(namespace, open);
  let sequence = 0;

  const post = (type: number, flags: number, body: Buffer): void => {
    const message = Buffer.alloc(HEADER + body.length);
    message.writeUInt32LE(message.length, 0);
    message.writeUInt16LE(type, 4);
    message.writeUInt16LE(flags | NLM_F_REQUEST, 6);
    message.writeUInt32LE(++sequence, 8);
    body.copy(message, HEADER);
    if (Number(send(fd, message, message.length, 0)) < 0) throw callFailed('send', 'netlink');
  };

  /** Reads answers until the kernel says it is through; returns its error number, 0 for none. */
  const readAnswers = (keep?: (body: Buffer) => void): number => {
    for (;;) {
      const length = Number(recv(fd, incoming, incoming.length, 0));
      if (length < 0) throw callFailed('recv', 'netlink');
      for (let at = 0; at + HEADER <= length; ) {
        const size = incoming.readUInt32LE(at);
        const type = incoming.readUInt16LE(at + 4);
        if (incoming.readUInt32LE(at + 8) === sequence) {
          if (type === NLMSG_ERROR) return -incoming.readInt32LE(at + HEADER);
          if (type === NLMSG_DONE) return size >= HEADER + 4 ? -incoming.readInt32LE(at + HEADER) : 0;
          keep?.(Buffer.from(incoming.subarray(at + HEADER, at + size)));
        }
        at += (size + 3) & ~3;
      }
    }
  };

  const ask = (type: number, flags: number, body: Buffer): number => {
    post(type, flags | NLM_F_ACK, body);
    return readAnswers();
  };

  return {
    request(type, flags, body, about) {
      const errno = ask(type, flags, body);
      if (errno !== 0) throw new NetlinkError(errno, about);
    },
    attempt(type, flags, body, about, ...tolerated) {
      const errno = ask(type, flags, body);
      if (errno === 0) return true;
      const error = new NetlinkError(errno, about);
      if (tolerated.includes(error.code)) return false;
      throw error;
    },
    get(type, body, about) {
      const bodies: Buffer[] = [];
      post(type, NLM_F_ACK, body);
      const errno = readAnswers((answer) => bodies.push(answer));
      if (errno !== 0) throw new NetlinkError(errno, about);
      return bodies;
    },
    dump(type, body) {
      const bodies: Buffer[] = [];
      post(type, NLM_F_DUMP, body);
      const errno = readAnswers((answer) => bodies.push(answer));
      if (errno !== 0) throw new NetlinkError(errno, `dump ${type}`);
      return bodies;
    },
    close: () => closeSync(fd),
  };
}

/** Opens a netlink socket, lends it to `work` and closes it. */
export function withNetlink<T>(namespace: string | undefined, work: (netlink: Netlink) => T): T {
  const netlink = openNetlink(namespace);
  try {
    return work(netlink);
  } finally {
    netlink.close();
  }
}
