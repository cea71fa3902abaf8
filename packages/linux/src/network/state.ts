/**
 * What the driver remembers outside its process, in `<runDirectory>/network`: each VPC's topology and generation in
 * force (written after it is), and which namespaces it made for which VPC (written before it does, so that a crash in
 * between leaves none behind). All of it goes with a reboot, as namespaces do.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VpcTopology } from '@holdfast/region/drivers/network.ts';
import type { HostLayout } from '../layout.ts';

/** A generation in force. Generation 0 without a topology: begun, and never finished. */
export interface VpcRecord {
  readonly generation: number;
  readonly topology?: VpcTopology;
  /** Private addresses that somebody had: flows of theirs may still be tracked. */
  readonly left?: readonly string[];
}

export const networkFolder = (layout: HostLayout): string => join(layout.runDirectory, 'network');
const namespacesFolder = (layout: HostLayout): string => join(networkFolder(layout), 'namespaces');
const vpcPath = (layout: HostLayout, vpcId: string): string => join(networkFolder(layout), `${vpcId}.json`);

const absent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (absent(error)) return undefined;
    throw error;
  }
}

function readFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (absent(error)) return [];
    throw error;
  }
}

export function readVpc(layout: HostLayout, vpcId: string): VpcRecord | undefined {
  const text = readText(vpcPath(layout, vpcId));
  return text === undefined ? undefined : (JSON.parse(text) as VpcRecord);
}

export function writeVpc(layout: HostLayout, vpcId: string, record: VpcRecord): void {
  mkdirSync(networkFolder(layout), { recursive: true, mode: 0o700 });
  const path = vpcPath(layout, vpcId);
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export const forgetVpc = (layout: HostLayout, vpcId: string): void =>
  rmSync(vpcPath(layout, vpcId), { force: true });

export const recordedVpcs = (layout: HostLayout): string[] =>
  readFolder(networkFolder(layout))
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length));

/** The namespaces made for the ends of links, with the VPC each was made for. */
export class OwnedNamespaces {
  readonly #layout: HostLayout;
  readonly #vpcOf: Map<string, string>;

  constructor(layout: HostLayout) {
    this.#layout = layout;
    this.#vpcOf = new Map(
      readFolder(namespacesFolder(layout)).map((name) => [
        name,
        readText(join(namespacesFolder(layout), name)) ?? '',
      ]),
    );
  }

  has(name: string): boolean {
    return this.#vpcOf.has(name);
  }

  of(vpcId: string): string[] {
    return [...this.#vpcOf].filter(([, owner]) => owner === vpcId).map(([name]) => name);
  }

  add(name: string, vpcId: string): void {
    if (this.#vpcOf.get(name) === vpcId) return;
    mkdirSync(namespacesFolder(this.#layout), { recursive: true, mode: 0o700 });
    writeFileSync(join(namespacesFolder(this.#layout), name), vpcId);
    this.#vpcOf.set(name, vpcId);
  }

  delete(name: string): void {
    rmSync(join(namespacesFolder(this.#layout), name), { force: true });
    this.#vpcOf.delete(name);
  }
}
