import type { IncomingMessage } from 'node:http';

/** A body larger than this many times its limit is answered at once, though the client is still sending. */
const DRAIN_FACTOR = 16;

/**
 * The whole body, 'too large' beyond the limit, 'aborted' when the client went away. What goes beyond the
 * limit is thrown away as it comes: most clients read no answer before they have sent everything.
 */
export function readBody(
  request: IncomingMessage,
  limitBytes: number,
): Promise<Buffer | 'too large' | 'aborted'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limitBytes) chunks.push(chunk);
      else chunks.length = 0;
      if (length > limitBytes * DRAIN_FACTOR) resolve('too large');
    });
    request.on('end', () => resolve(length <= limitBytes ? Buffer.concat(chunks) : 'too large'));
    request.on('error', () => resolve('aborted'));
    request.on('close', () => resolve('aborted'));
  });
}
