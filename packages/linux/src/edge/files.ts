/** Where the edge of one region keeps its files. All but the token key are rebuilt when they are gone. */
import { join } from 'node:path';
import type { HostLayout } from '../layout.ts';

export interface EdgeFiles {
  /** What the region has published. */
  readonly store: string;
  /** Where the edge is told of a change, and answers when it is in force. */
  readonly socket: string;
  /** Held by the one edge of the region as long as it lives. */
  readonly lock: string;
  readonly pid: string;
  readonly log: string;
  /** Signs IMDSv2 tokens. Kept with the state, so that a token outlives the edge that gave it. */
  readonly tokenKey: string;
}

export const edgeFiles = (layout: HostLayout): EdgeFiles => ({
  store: join(layout.runDirectory, 'edge.db'),
  socket: join(layout.runDirectory, 'edge.sock'),
  lock: join(layout.runDirectory, 'edge.lock'),
  pid: join(layout.runDirectory, 'edge.pid'),
  log: join(layout.runDirectory, 'edge.log'),
  tokenKey: join(layout.stateDirectory, 'edge-token.key'),
});
