/** Tags of load balancers, target groups and listeners. */
import type * as elb from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Resource, Tags } from '../../store/resource.ts';
import type { RequestContext, Scope } from '../common/service.ts';
import { errors } from './errors.ts';
import { listeners, loadBalancers, targetGroups } from './records.ts';

/** Tags of a request. Throws `DuplicateTagKeys`, and `ValidationError` for keys that AWS keeps for itself. */
export function tagsOf(given: readonly elb.Tag[] | undefined): Tags {
  const tags: Record<string, string> = {};
  for (const { Key, Value } of given ?? []) {
    if (Key === undefined || Key === '') throw errors.validation('A tag key must not be empty');
    if (Key.startsWith('aws:')) {
      throw errors.validation(`Tag key '${Key}' is not valid: keys that begin with aws: are reserved`);
    }
    if (Object.hasOwn(tags, Key)) throw errors.duplicateTagKeys();
    tags[Key] = Value ?? '';
  }
  return tags;
}

const shownTags = (tags: Tags): elb.Tag[] => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

/** What an ARN names. Throws the not-found code of its kind. */
function tagged(scope: Scope, resourceArn: string): Resource {
  const { tx, region } = scope;
  const kind = resourceArn.split(':')[5]?.split('/')[0];
  const found: Resource | undefined =
    kind === 'loadbalancer'
      ? tx.get(loadBalancers, region, resourceArn)
      : kind === 'targetgroup'
        ? tx.get(targetGroups, region, resourceArn)
        : kind === 'listener'
          ? tx.get(listeners, region, resourceArn)
          : undefined;
  if (found) return found;
  if (kind === 'loadbalancer') throw errors.loadBalancerNotFound(resourceArn);
  if (kind === 'targetgroup') throw errors.targetGroupNotFound();
  if (kind === 'listener') throw errors.listenerNotFound();
  if (kind === 'listener-rule') throw errors.unsupported('tags on rules');
  throw errors.validation(`'${resourceArn}' is not a valid resource ARN`);
}

export function addTags(input: elb.AddTagsInput, context: RequestContext): elb.AddTagsOutput {
  const added = tagsOf(input.Tags);
  for (const resourceArn of input.ResourceArns ?? []) {
    const resource = tagged(context, resourceArn);
    context.tx.update(resource, { tags: { ...resource.tags, ...added } });
  }
  return {};
}

export function removeTags(input: elb.RemoveTagsInput, context: RequestContext): elb.RemoveTagsOutput {
  const removed = new Set(input.TagKeys);
  for (const resourceArn of input.ResourceArns ?? []) {
    const resource = tagged(context, resourceArn);
    const kept = Object.entries(resource.tags).filter(([key]) => !removed.has(key));
    context.tx.update(resource, { tags: Object.fromEntries(kept) });
  }
  return {};
}

export function describeTags(input: elb.DescribeTagsInput, context: RequestContext): elb.DescribeTagsOutput {
  const arns = input.ResourceArns ?? [];
  return {
    TagDescriptions: arns.map((resourceArn) => ({
      ResourceArn: resourceArn,
      Tags: shownTags(tagged(context, resourceArn).tags),
    })),
  };
}
