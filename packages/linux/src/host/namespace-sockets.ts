/**
 * Sockets inside network namespaces, for Node's own `net` and `dgram`. A socket stays in the namespace it was made in
 * whoever uses it, so that one process serves, or calls, in as many namespaces as it likes.
 */
import { closeSync } from 'node:fs';
import { isIPv4, Socket } from 'node:net';
import { bind, callFailed, inNamespace, listen, setsockopt, socket } from './libc.ts';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const SOL_IP = 0;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IP_FREEBIND = 15;
const IPPROTO_ICMP = 1;
const BACKLOG = 511;

/** `struct sockaddr_in` of an IPv4 address and a port. */
export function socketAddress(address: string, port: number): Buffer {
  if (!isIPv4(address)) throw new TypeError(`${address} is not an IPv4 address`);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new RangeError(`port ${port}`);
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address.split('.').map(Number), 4);
  return bytes;
}

function openSocket(
  namespace: string,
  type: number,
  protocol: number,
  prepare: (fd: number) => void,
): number {
  return inNamespace(namespace, () => {
    const fd: number = socket(AF_INET, type | NONBLOCK_CLOEXEC, protocol);
    if (fd < 0) throw callFailed('socket', `in ${namespace}`);
    try {
      prepare(fd);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
}

function setFlag(fd: number, level: number, name: number): void {
  if (setsockopt(fd, level, name, Buffer.from([1, 0, 0, 0]), 4) !== 0)
    throw callFailed('setsockopt', `${level}/${name}`);
}

function bindTo(fd: number, namespace: string, address: string, port: number): void {
  if (bind(fd, socketAddress(address, port), 16) !== 0)
    throw callFailed('bind', `${address}:${port} in ${namespace}`);
}

/**
 * A listening TCP socket for `net.Server.listen({ fd })`. The address need not be there yet (IP_FREEBIND). Throws with
 * `code` ENOENT (no such namespace), EADDRINUSE, EPERM.
 */
export function listenTcp(namespace: string, address: string, port: number): number {
  return openSocket(namespace, SOCK_STREAM, 0, (fd) => {
    setFlag(fd, SOL_SOCKET, SO_REUSEADDR);
    setFlag(fd, SOL_IP, IP_FREEBIND);
    bindTo(fd, namespace, address, port);
    if (listen(fd, BACKLOG) !== 0) throw callFailed('listen', `${address}:${port} in ${namespace}`);
  });
}

/**
 * A UDP socket for `dgram.Socket.bind({ fd })`. Port 0 takes any free one. The address need not be there yet. Throws as
 * `listenTcp` does.
 */
export function bindUdp(namespace: string, address: string, port: number): number {
  return openSocket(namespace, SOCK_DGRAM, 0, (fd) => {
    setFlag(fd, SOL_IP, IP_FREEBIND);
    bindTo(fd, namespace, address, port);
  });
}

/**
 * A socket that sends ICMP echo requests and gets the replies to them, for `dgram.Socket.bind({ fd })`. The kernel
 * fills in identifier and checksum. Needs `net.ipv4.ping_group_range` of the namespace to admit the caller.
 */
export function bindPing(namespace: string): number {
  return openSocket(namespace, SOCK_DGRAM, IPPROTO_ICMP, (fd) => bindTo(fd, namespace, '0.0.0.0', 0));
}

/**
 * A TCP connection from inside a namespace: returns at once, then emits `connect` or `error` like `net.connect`.
 * `from` is the local address, if one of several is meant.
 */
export function connectTcp(namespace: string, address: string, port: number, from?: string): Socket {
  const fd = openSocket(namespace, SOCK_STREAM, 0, (fd) => {
    if (from !== undefined) bindTo(fd, namespace, from, 0);
  });
  // A socket that wraps a descriptor starts to read at once, which fails before the connection stands: `manualStart`
  // makes it wait for `connect`, which then uses the descriptor it was given.
  const connection = new Socket({ fd, manualStart: true } as ConstructorParameters<typeof Socket>[0]);
  return connection.connect({ port, host: address });
}
