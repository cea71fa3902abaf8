/** Asks the control process by its private routes. */
import { Refusal } from '../command.ts';
import type { Place } from '../place.ts';
import { livingControl } from './record.ts';

/** GETs `path`, or POSTs `body` there. A refusal of the control process is thrown in its own words. */
export async function askControl<T>(place: Place, path: string, body?: object): Promise<T> {
  const record = livingControl(place);
  if (!record) throw new Refusal('no region is up. Start one: npx holdfast up --detach');
  const answer = await fetch(`${record.endpoint}${path}`, {
    ...(body && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }),
    signal: AbortSignal.timeout(10_000),
  });
  const said = (await answer.json()) as T & { message?: string };
  if (!answer.ok) throw new Refusal(said.message ?? `control answered ${answer.status}`);
  return said;
}
