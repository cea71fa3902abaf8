/** What is on disk of an image besides its layers: a folder with its name, and its description in there. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BaseImage } from '@holdfast/region/drivers/compute.ts';
import { entriesOf, readOptional, replaceFile } from '../host/files.ts';
import type { HostLayout } from '../layout.ts';
import { findLayer } from './layers.ts';

/** The images described in a directory whose layers are all on this host, the newest first. */
export function listImages(layout: HostLayout, directory: string): BaseImage[] {
  return entriesOf(directory)
    .map((name) => readOptional(join(directory, name, 'image.json')))
    .filter((text) => text !== undefined)
    .map((text) => JSON.parse(text) as BaseImage)
    .filter((image) => image.layers.every((layer) => findLayer(layout, layer) !== undefined))
    .sort((a, b) => b.createdAt - a.createdAt);
}

/** Writes an image's description, when its layers are there. */
export function recordImage(directory: string, image: BaseImage): void {
  mkdirSync(join(directory, image.name), { recursive: true, mode: 0o755 });
  replaceFile(join(directory, image.name, 'image.json'), `${JSON.stringify(image, undefined, 2)}\n`);
}
