import type { IncomingMessage } from 'node:http';

/** After this many times its limit a body is not read to its end any more: the connection is cut. */
const DRAIN_FACTOR = 16;

/**
 * The whole body, 'too large' beyond the limit, 'aborted' when the client went away. A body that is too large
 * is read on and thrown away for a while, so that the client gets to read its answer.
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
      else {
        chunks.length = 0;
        resolve('too large');
        if (length > limitBytes * DRAIN_FACTOR) request.destroy();
      }
    });
    request.on('end', () => resolve(length <= limitBytes ? Buffer.concat(chunks) : 'too large'));
    request.on('error', () => resolve('aborted'));
    request.on('close', () => resolve('aborted'));
  });
}
