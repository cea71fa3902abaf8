/** What the control process's private routes have in common: who may call them, and how a body is read. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AwsError } from '@holdfast/region/services/common/errors.ts';
import { regionNamed } from '@holdfast/region/services/common/geography.ts';
import type { Origin, PlainRoute } from '@holdfast/wire';
import { fromForeignPage } from '@holdfast/wire/foreign-page.ts';
import { json } from './json.ts';

const MAX_BODY_BYTES = 16_384;

export const badRequest = (message: string): AwsError => new AwsError('InvalidRequest', message);

/** The body as an object. It must call itself JSON, which no page can send elsewhere without asking first. */
export async function readObject(request: IncomingMessage): Promise<Record<string, unknown>> {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
    throw badRequest('the body must be of the type application/json');
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw badRequest(`the body is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw badRequest('the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw badRequest('the body is no object');
  return body as Record<string, unknown>;
}

export function textIn(body: Record<string, unknown>, name: string): string {
  const value = body[name];
  if (typeof value !== 'string' || value === '') throw badRequest(`${name} is missing`);
  return value;
}

export function regionIn(body: Record<string, unknown>): string {
  const name = textIn(body, 'region');
  if (!regionNamed(name)) throw badRequest(`there is no region '${name}'`);
  return name;
}

/** Answers what `act` gives; what it throws, in the words of whoever threw it. */
export const guarded =
  (act: (request: IncomingMessage) => Promise<unknown> | unknown): PlainRoute =>
  async (request: IncomingMessage, response: ServerResponse, origin: Origin) => {
    if (origin !== 'loopback') return json(response, 403, { message: 'from this machine only' });
    if (fromForeignPage(request)) return json(response, 403, { message: 'not for pages of other sites' });
    try {
      json(response, 200, await act(request));
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      json(response, error.httpStatus, { code: error.code, message: error.message });
    }
  };
