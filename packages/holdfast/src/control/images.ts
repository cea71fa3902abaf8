/** The control process's private way to images that AWS's API does not know: mapped ids, and imported file systems. */
import type { Drivers, Region } from '@holdfast/region';
import { allImages, recordBaseImages } from '@holdfast/region/services/ec2/image/image.ts';
import { imageMappings, mapImage, unmapImage } from '@holdfast/region/services/ec2/image/mapping.ts';
import type { PlainRoute } from '@holdfast/wire';
import { guarded, readObject, regionIn, textIn } from './guarded.ts';

/** An image as this route and `holdfast ami list --json` show it. */
export interface ShownImage {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  /** The account's id; AWS's own images are `amazon`. */
  readonly owner: string;
}

export interface ShownMapping {
  /** An image id, the name of a public parameter or a pattern of public images' names. */
  readonly id: string;
  readonly image: string;
}

export interface ShownImages {
  readonly images: readonly ShownImage[];
  readonly mappings: readonly ShownMapping[];
  /** What every other unknown id stands for. */
  readonly unknownAmi?: string;
}

const IMAGES = '/_holdfast/images';

export function imageRoutes(region: Region, drivers: Drivers): Record<string, PlainRoute> {
  return {
    [`POST ${IMAGES}/list`]: guarded(async (request): Promise<ShownImages> => {
      const name = regionIn(await readObject(request));
      const { unknownAmi } = region.settings;
      return region.transact(name, (scope) => ({
        images: allImages(scope).map(({ id, name, state, ownerId, ownerAlias }) => ({
          id,
          name,
          state,
          owner: ownerAlias ?? ownerId,
        })),
        mappings: scope.tx
          .list(imageMappings, 'global')
          .map(({ id, spec }) => ({ id, image: spec.imageName })),
        ...(unknownAmi !== undefined && { unknownAmi }),
      }));
    }),

    [`POST ${IMAGES}/map`]: guarded(async (request): Promise<ShownMapping> => {
      const body = await readObject(request);
      const [id, image] = [textIn(body, 'id'), textIn(body, 'image')];
      const mapped = region.transact(regionIn(body), (scope) => mapImage(scope, id, image));
      return { id: mapped.id, image: mapped.spec.imageName };
    }),

    [`POST ${IMAGES}/unmap`]: guarded(async (request) => {
      const body = await readObject(request);
      const id = textIn(body, 'id');
      region.transact(regionIn(body), (scope) => unmapImage(scope, id));
      return { id };
    }),

    /** An image has come to this machine. */
    [`POST ${IMAGES}/found`]: guarded(async () => {
      recordBaseImages(region.store, await drivers.compute.images());
      return {};
    }),
  };
}
