/** The region's side of the edge: writes what is published and tells the edge, if it is there to be told. */
import { connect, type Socket } from 'node:net';
import type { EdgeDriver } from '@holdfast/region/drivers/edge.ts';
import type { HostLayout } from '../layout.ts';
import { openEdgeStore } from './edge-store.ts';
import { edgeFiles } from './files.ts';

export interface LinuxEdge extends EdgeDriver {
  /** Lets go of file and socket. */
  close(): void;
}

/** An edge that takes longer finds out by itself; the region does not wait for it. */
const CONFIRM_TIMEOUT_MS = 1_000;

/** Tells the edge, over one connection that is kept, and waits for its word. */
function edgeNotifier(socketPath: string) {
  let connection: Socket | undefined;
  let waiting: (() => void)[] = [];

  const open = (): Socket => {
    const opened = connect(socketPath);
    opened.unref();
    opened.setEncoding('utf8');
    let lines = 0;
    const lost = () => {
      opened.destroy();
      if (connection !== opened) return;
      connection = undefined;
      for (const answered of waiting.splice(0)) answered();
    };
    opened.on('error', lost);
    opened.on('close', lost);
    opened.on('data', (text) => {
      for (const character of String(text)) {
        // The first line is the edge's greeting; each one after it answers one word of ours.
        if (character === '\n' && lines++ > 0) waiting.shift()?.();
      }
    });
    return opened;
  };
  return {
    /** Resolves when the edge has read all that is published; also when it is dead or does not answer in time. */
    tell: (): Promise<void> =>
      new Promise((resolve) => {
        connection ??= open();
        const timer = setTimeout(resolve, CONFIRM_TIMEOUT_MS);
        waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
        connection.write('changed\n');
      }),
    close() {
      connection?.destroy();
      connection = undefined;
      for (const answered of waiting.splice(0)) answered();
      waiting = [];
    },
  };
}

/** Publishes by a file that the edge reads. Works, and is in force once there is an edge, while none is alive. */
export function linuxEdge(layout: HostLayout): LinuxEdge {
  const files = edgeFiles(layout);
  const store = openEdgeStore(files.store);
  const notifier = edgeNotifier(files.socket);
  return {
    async publish({ put, removed }) {
      store.publish(put, removed);
      await notifier.tell();
    },
    list: async () => store.keys(),
    close() {
      notifier.close();
      store.close();
    },
  };
}
