/** CreateTags, DeleteTags and DescribeTags, over every kind of EC2 resource. */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { Operation, RequestContext } from '../common/service.ts';
import * as errors from './errors.ts';
import { select } from './selection.ts';
import { kindOfId, taggableKinds, withTags } from './tags.ts';

const MOST_RESOURCES = 1000;

function resourcesOf(ids: readonly string[] | undefined): readonly string[] {
  const resources = errors.required(ids, 'resourceIdSet');
  if (resources.length === 0) throw errors.missingParameter('resourceIdSet');
  if (resources.length > MOST_RESOURCES) {
    throw errors.invalidParameterValue(`At most ${MOST_RESOURCES} resources can be named in one call.`);
  }
  return resources;
}

/** All resources or none. */
function createTags(input: ec2.CreateTagsRequest, context: RequestContext): void {
  const added = input.Tags ?? [];
  if (added.length === 0) throw errors.missingParameter('tagSet');
  for (const id of resourcesOf(input.Resources)) {
    kindOfId(id).retag(context, id, (tags) => withTags(tags, added));
  }
}

/**
 * A tag with a value is deleted only when it has that value, one without a value always; without any tags all of the
 * user's tags go. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteTags.html
 */
function deleteTags(input: ec2.DeleteTagsRequest, context: RequestContext): void {
  const named = input.Tags ?? [];
  const goes = (key: string, value: string): boolean =>
    named.length === 0
      ? !key.startsWith('aws:')
      : named.some((tag) => tag.Key === key && (tag.Value === undefined || tag.Value === value));
  for (const id of resourcesOf(input.Resources)) {
    kindOfId(id).retag(context, id, (tags) =>
      Object.fromEntries(Object.entries(tags).filter(([key, value]) => !goes(key, value))),
    );
  }
}

interface TagItem {
  readonly id: string;
  readonly ordinal: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly resourceId: string;
  readonly resourceType: ec2.ResourceType;
  readonly key: string;
  readonly value: string;
}

function describeTags(input: ec2.DescribeTagsRequest, context: RequestContext): ec2.DescribeTagsResult {
  const all = taggableKinds.flatMap(({ resourceType, list }) =>
    list(context.tx, context.region).flatMap(({ id, tags }) =>
      Object.entries(tags).map(
        ([key, value]): TagItem => ({
          id: `${id}/${key}`,
          ordinal: 0,
          tags: { [key]: value },
          resourceId: id,
          resourceType,
          key,
          value,
        }),
      ),
    ),
  );
  const { items, NextToken } = select(context, input, {
    call: 'DescribeTags',
    items: all,
    notFound: errors.invalidParameterValue,
    fields: {
      key: ({ key }) => key,
      'resource-id': ({ resourceId }) => resourceId,
      'resource-type': ({ resourceType }) => resourceType,
      value: ({ value }) => value,
    },
  });
  return {
    Tags: items.map(({ resourceId, resourceType, key, value }) => ({
      ResourceId: resourceId,
      ResourceType: resourceType,
      Key: key,
      Value: value,
    })),
    NextToken,
  };
}

export const tagOperations: Readonly<Record<string, Operation>> = {
  CreateTags: createTags,
  DeleteTags: deleteTags,
  DescribeTags: describeTags,
};
