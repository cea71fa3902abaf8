/**
 * A lock between processes of this host that its holder cannot leave behind: a socket in the abstract namespace, which
 * goes with the process.
 */
import { createHash } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';

/** Waits until nobody else holds the lock of that name. `waiting` is called once, when somebody does. */
export async function holdLock(name: string, waiting?: () => void): Promise<Disposable> {
  const path = `\0holdfast-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
  for (let first = true; ; first = false) {
    const server = await listen(path);
    if (server) return { [Symbol.dispose]: () => void server.close() };
    if (first) waiting?.();
    await closed(path);
  }
}

/** Undefined when somebody else listens. */
function listen(path: string): Promise<Server | undefined> {
  const server = createServer((socket) => {
    // Who waits is told by the end of the connection; it must keep neither side alive.
    socket.on('error', () => undefined).unref();
    held.add(socket);
  });
  const held = new Set<{ destroy(): unknown }>();
  const close = server.close.bind(server);
  server.close = (callback) => {
    for (const socket of held) socket.destroy();
    return close(callback);
  };
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(path, () => resolve(server.unref()));
  });
}

/** Resolves when the present holder has let go, or was gone already. */
function closed(path: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}
