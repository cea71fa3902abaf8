/** Tags of groups: each says whether it goes to new instances, too. */
import type * as autoscaling from '@aws-sdk/client-auto-scaling';
import { applyFilters } from '../common/filters.ts';
import { paginate } from '../common/pagination.ts';
import type { RequestContext, Scope } from '../common/service.ts';
import { errors } from './errors.ts';
import { type Group, type GroupTag, groups } from './records.ts';

const RESOURCE_TYPE = 'auto-scaling-group';

function groupTag(tag: autoscaling.Tag): GroupTag {
  const { Key: key = '', Value: value = '', PropagateAtLaunch: propagateAtLaunch = true } = tag;
  if (key === '') throw errors.validation('A tag key must not be empty');
  if (key.startsWith('aws:')) throw errors.validation(`The tag key ${key} is reserved`);
  return { key, value, propagateAtLaunch };
}

/** Tags of a create request, which may repeat the group's name. */
export function groupTagsOf(given: readonly autoscaling.Tag[] | undefined, group: string): GroupTag[] {
  const tags = new Map<string, GroupTag>();
  for (const tag of given ?? []) {
    if (tag.ResourceId !== undefined && tag.ResourceId !== '' && tag.ResourceId !== group) {
      throw errors.validation(`The tag's resource id ${tag.ResourceId} is not the group ${group}`);
    }
    const made = groupTag(tag);
    if (tags.has(made.key)) throw errors.validation(`Duplicate tag key ${made.key}`);
    tags.set(made.key, made);
  }
  return [...tags.values()];
}

export const shownTags = (group: Group): autoscaling.TagDescription[] =>
  group.spec.tags.map((tag) => ({
    ResourceId: group.id,
    ResourceType: RESOURCE_TYPE,
    Key: tag.key,
    Value: tag.value,
    PropagateAtLaunch: tag.propagateAtLaunch,
  }));

function taggedGroup(scope: Scope, tag: autoscaling.Tag): Group {
  if (tag.ResourceType !== undefined && tag.ResourceType !== RESOURCE_TYPE) {
    throw errors.validation(`The resource type ${tag.ResourceType} is not ${RESOURCE_TYPE}`);
  }
  const found = scope.tx.get(groups, scope.region, tag.ResourceId ?? '');
  if (!found) throw errors.taggedGroupNotFound(tag.ResourceId ?? '');
  return found;
}

export function createOrUpdateTags(
  input: autoscaling.CreateOrUpdateTagsType,
  context: RequestContext,
): Record<string, never> {
  for (const tag of input.Tags ?? []) {
    const group = taggedGroup(context, tag);
    const made = groupTag(tag);
    const others = group.spec.tags.filter((one) => one.key !== made.key);
    context.tx.update(group, { spec: { ...group.spec, tags: [...others, made] } });
  }
  return {};
}

export function deleteTags(
  input: autoscaling.DeleteTagsType,
  context: RequestContext,
): Record<string, never> {
  for (const tag of input.Tags ?? []) {
    const group = taggedGroup(context, tag);
    const tags = group.spec.tags.filter((one) => one.key !== tag.Key);
    context.tx.update(group, { spec: { ...group.spec, tags } });
  }
  return {};
}

export function describeTags(
  input: autoscaling.DescribeTagsType,
  context: RequestContext,
): autoscaling.TagsType {
  const all = context.tx.list(groups, context.region).flatMap(shownTags);
  const found = applyFilters(all, input.Filters, {
    'auto-scaling-group': (tag) => tag.ResourceId,
    key: (tag) => tag.Key,
    value: (tag) => tag.Value,
    'propagate-at-launch': (tag) => String(tag.PropagateAtLaunch),
  });
  const page = paginate(context, found, (tag) => `${tag.ResourceId}/${tag.Key}`, {
    call: 'DescribeTags',
    token: input.NextToken,
    limit: input.MaxRecords ?? 50,
    invalid: errors.invalidNextToken,
  });
  return { Tags: page.items, NextToken: page.nextToken };
}
