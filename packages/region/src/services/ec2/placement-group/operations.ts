/** What the API does with placement groups. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { arn, newId } from '../../common/names.ts';
import type { Operation, RequestContext, Scope } from '../../common/service.ts';
import * as compute from '../compute-errors.ts';
import { invalidParameterCombination, invalidParameterValue, required } from '../errors.ts';
import { select } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import {
  instancesIn,
  type PlacementGroup,
  placementGroupNamed,
  placementGroupOfId,
  placementGroups,
} from './placement-group.ts';

const groupArn = (scope: Pick<Scope, 'region' | 'settings'>, { spec }: PlacementGroup): string =>
  arn(scope, 'ec2', `placement-group/${spec.name}`);

const shape = (scope: Scope, group: PlacementGroup): ec2.PlacementGroup => ({
  GroupId: group.id,
  GroupName: group.spec.name,
  GroupArn: groupArn(scope, group),
  State: 'available',
  Strategy: group.spec.strategy,
  SpreadLevel: group.spec.spreadLevel,
  Tags: tagList(group.tags),
});

/** A strategy is `cluster` when none is said, and so has to be said here. */
function checkStrategy({ Strategy: strategy = 'cluster', ...input }: ec2.CreatePlacementGroupRequest): void {
  if (strategy !== 'spread' && strategy !== 'cluster' && strategy !== 'partition') {
    throw invalidParameterValue(`Value (${strategy}) for parameter strategy is invalid. Unknown strategy.`);
  }
  if (strategy !== 'spread') throw unsupported(`placement groups of the strategy ${strategy}`);
  if (input.PartitionCount !== undefined) {
    throw invalidParameterCombination('PartitionCount is valid only with the strategy partition.');
  }
  if (input.SpreadLevel === 'host') throw unsupported('placement groups of Outposts (the spread level host)');
  if (input.LinkedGroupId) throw unsupported('the parameter LinkedGroupId of CreatePlacementGroup');
  if (input.Operator) throw unsupported('the parameter Operator of CreatePlacementGroup');
}

function createPlacementGroup(
  input: ec2.CreatePlacementGroupRequest,
  context: RequestContext,
): ec2.CreatePlacementGroupResult {
  const name = required(input.GroupName, 'GroupName');
  if (!/^[ -~]{1,255}$/.test(name)) {
    throw invalidParameterValue(
      `Value (${name}) for parameter groupName is invalid. It must be 1 to 255 ASCII characters.`,
    );
  }
  checkStrategy(input);
  const { tx, region } = context;
  if (tx.list(placementGroups, region).some(({ spec }) => spec.name === name)) {
    throw compute.placementGroupDuplicate(name);
  }
  const group = tx.create(placementGroups, {
    region,
    id: newId(context, 'pg'),
    spec: { name, strategy: 'spread', spreadLevel: 'rack' } as const,
    status: null,
    tags: specifiedTags(input.TagSpecifications, 'placement-group'),
  });
  return { PlacementGroup: shape(context, group) };
}

function deletePlacementGroup(input: ec2.DeletePlacementGroupRequest, context: RequestContext): object {
  const group = placementGroupNamed(context, required(input.GroupName, 'GroupName'));
  if (instancesIn(context, group.id).length > 0) throw compute.placementGroupInUse(group.spec.name);
  context.tx.remove(group);
  return {};
}

const fields = (context: RequestContext): FilterFields<PlacementGroup> => ({
  'group-arn': (group) => groupArn(context, group),
  'group-name': ({ spec }) => spec.name,
  'spread-level': ({ spec }) => spec.spreadLevel,
  state: () => 'available',
  strategy: ({ spec }) => spec.strategy,
});

function describePlacementGroups(
  input: ec2.DescribePlacementGroupsRequest,
  context: RequestContext,
): ec2.DescribePlacementGroupsResult {
  const named = [
    ...(input.GroupNames ?? []).map((name) => placementGroupNamed(context, name)),
    ...(input.GroupIds ?? []).map((id) => placementGroupOfId(context, id)),
  ];
  const { items } = select(context, input, {
    call: 'DescribePlacementGroups',
    items: named.length > 0 ? [...new Set(named)] : context.tx.list(placementGroups, context.region),
    notFound: compute.placementGroupUnknown,
    fields: fields(context),
  });
  return { PlacementGroups: items.map((group) => shape(context, group)) };
}

export const placementGroupOperations: Readonly<Record<string, Operation>> = {
  CreatePlacementGroup: createPlacementGroup,
  DeletePlacementGroup: deletePlacementGroup,
  DescribePlacementGroups: describePlacementGroups,
};
