/**
 * Writes one model for each service of `SERVICES` into `models/`: structure, names and types from the schemas
 * of the AWS SDK's client packages, limits (min, max, pattern, enum, required) from botocore's copy of the
 * service's definition. The same inputs give the same bytes.
 *
 *     npm run generate [-- <folder>]
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServiceEntry } from '../src/model.ts';
import { BOTOCORE_MISSING, botocoreVersion, findBotocore, readBotocoreModel } from './botocore.ts';
import { buildModel } from './build-model.ts';
import { renderModel } from './render-model.ts';
import { SERVICES } from './services.ts';

export async function generate(
  folder: string,
  botocore: string,
  report: (line: string) => void,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const entries: ServiceEntry[] = [];
  for (const source of SERVICES) {
    const client = (await import(source.client)) as Record<string, unknown>;
    const model = buildModel(source, client, readBotocoreModel(botocore, source.botocore));
    const text = renderModel(model);
    writeFileSync(join(folder, `${source.service}.json`), text);
    const { service, version, protocol, signingName, targetPrefix } = model;
    entries.push({ service, version, protocol, signingName, ...(targetPrefix && { targetPrefix }) });
    const operations = Object.keys(model.operations).length;
    report(
      `${source.service}: ${operations} operations, ${model.shapes.length} shapes, ${text.length} bytes`,
    );
  }
  const lines = entries.map((entry) => JSON.stringify(entry));
  writeFileSync(join(folder, 'services.json'), `[\n${lines.join(',\n')}\n]\n`);
  writeFileSync(join(folder, 'sources.json'), `${JSON.stringify(sourceVersions(botocore), null, 2)}\n`);
}

/** What the models were made of: with other versions the generator rightly writes other models. */
export function sourceVersions(botocore: string): Record<string, string> {
  const clients = SERVICES.map(({ client }) => [client, clientVersion(client)] as const);
  return { botocore: botocoreVersion(botocore), ...Object.fromEntries(clients) };
}

function clientVersion(client: string): string {
  const { version } = createRequire(import.meta.url)(`${client}/package.json`) as { version: string };
  return version;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const botocore = findBotocore();
  if (botocore === undefined) {
    console.error(BOTOCORE_MISSING);
    process.exitCode = 1;
  } else {
    const folder = process.argv[2] ?? fileURLToPath(new URL('../models/', import.meta.url));
    await generate(folder, botocore, console.log);
  }
}
