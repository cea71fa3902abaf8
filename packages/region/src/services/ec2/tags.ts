/**
 * Tags, the same way for every EC2 resource: which kinds there are, by the prefix of their ids, and what a create call says
 * about tags. To make a kind taggable: one line in `taggableKinds`.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
 */
import type * as ec2 from '@aws-sdk/client-ec2';
import type { Resource, ResourceType, Tags } from '../../store/resource.ts';
import type { Reader } from '../../store/store.ts';
import { AwsError } from '../common/errors.ts';
import type { Scope } from '../common/service.ts';
import * as compute from './compute-errors.ts';
import * as errors from './errors.ts';
import { images } from './image/image.ts';
import { keyPairs } from './key-pair/key-pair.ts';
import { launchTemplates } from './launch-template/launch-template.ts';
import { placementGroups } from './placement-group/placement-group.ts';
import * as records from './records.ts';
import { snapshots } from './snapshot/snapshot.ts';
import { snapshotNotFound, volumeNotFound } from './volume/errors.ts';
import { volumes } from './volume/volume.ts';

/** Something that carries tags, wherever they are kept. */
export interface Tagged {
  readonly id: string;
  readonly tags: Tags;
}

/** One kind of EC2 resource that carries tags. */
export interface TaggableKind {
  /** What its ids begin with, without the dash. */
  readonly prefix: string;
  /** As `TagSpecification` and the filter `resource-type` name it. */
  readonly resourceType: ec2.ResourceType;
  readonly notFound: (id: string) => AwsError;
  readonly list: (reader: Reader, region: string) => readonly Tagged[];
  /** Replaces the tags of one. Throws `notFound`. */
  readonly retag: (scope: Scope, id: string, change: (tags: Tags) => Tags) => void;
}

/** A kind whose tags stand in its own resource, as nearly all do. */
function storedKind<Spec, Status>(
  type: ResourceType<Spec, Status>,
  prefix: string,
  resourceType: ec2.ResourceType,
  notFound: (id: string) => AwsError,
): TaggableKind {
  return {
    prefix,
    resourceType,
    notFound,
    list: (reader, region) => reader.list(type, region),
    retag(scope, id, change) {
      const resource: Resource<Spec, Status> | undefined = scope.tx.get(type, scope.region, id);
      if (!resource) throw notFound(id);
      scope.tx.update(resource, { tags: change(resource.tags) });
    },
  };
}

/** Rules live in their security group. */
const securityGroupRuleKind: TaggableKind = {
  prefix: 'sgr',
  resourceType: 'security-group-rule',
  notFound: errors.ruleNotFound,
  list: (reader, region) =>
    reader
      .list(records.securityGroups, region)
      .flatMap(({ spec }) => spec.rules.map((rule) => ({ id: rule.ruleId, tags: rule.tags ?? {} }))),
  retag(scope, id, change) {
    const group = scope.tx
      .list(records.securityGroups, scope.region)
      .find(({ spec }) => spec.rules.some((rule) => rule.ruleId === id));
    if (!group) throw errors.ruleNotFound(id);
    const rules = group.spec.rules.map((rule) =>
      rule.ruleId === id ? { ...rule, tags: change(rule.tags ?? {}) } : rule,
    );
    scope.tx.update(group, { spec: { ...group.spec, rules } });
  },
};

export const taggableKinds: readonly TaggableKind[] = [
  storedKind(records.vpcs, 'vpc', 'vpc', errors.vpcNotFound),
  storedKind(records.subnets, 'subnet', 'subnet', errors.subnetNotFound),
  storedKind(records.securityGroups, 'sg', 'security-group', errors.groupNotFound),
  securityGroupRuleKind,
  storedKind(records.internetGateways, 'igw', 'internet-gateway', errors.internetGatewayNotFound),
  storedKind(records.routeTables, 'rtb', 'route-table', errors.routeTableNotFound),
  storedKind(records.networkAcls, 'acl', 'network-acl', errors.networkAclNotFound),
  storedKind(records.networkInterfaces, 'eni', 'network-interface', errors.networkInterfaceNotFound),
  storedKind(records.elasticIps, 'eipalloc', 'elastic-ip', errors.allocationNotFound),
  storedKind(records.natGateways, 'nat', 'natgateway', errors.natGatewayNotFound),
  storedKind(records.dhcpOptions, 'dopt', 'dhcp-options', errors.dhcpOptionsNotFound),
  storedKind(records.instances, 'i', 'instance', (id) => compute.instanceNotFound([id])),
  storedKind(images, 'ami', 'image', (id) => compute.imageNotFound([id])),
  storedKind(snapshots, 'snap', 'snapshot', snapshotNotFound),
  storedKind(volumes, 'vol', 'volume', volumeNotFound),
  storedKind(keyPairs, 'key', 'key-pair', compute.keyPairIdNotFound),
  storedKind(placementGroups, 'pg', 'placement-group', compute.placementGroupUnknown),
  storedKind(launchTemplates, 'lt', 'launch-template', compute.templateIdNotFound),
];

/** The kind that an id belongs to, by its prefix. Throws `InvalidID`. */
export function kindOfId(id: string): TaggableKind {
  const prefix = id.slice(0, id.lastIndexOf('-'));
  const kind = taggableKinds.find((candidate) => candidate.prefix === prefix);
  if (!kind) throw new AwsError('InvalidID', `The ID '${id}' is not valid`);
  return kind;
}

const TAGS_PER_RESOURCE = 50;

/** The tags with these added. Throws for what AWS does not take as a tag. */
export function withTags(tags: Tags, added: readonly ec2.Tag[]): Tags {
  const result: Record<string, string> = { ...tags };
  for (const { Key: key = '', Value: value = '' } of added) {
    if (key === '') throw errors.invalidParameterValue('Tag keys must be specified.');
    if (key.toLowerCase().startsWith('aws:')) {
      throw errors.invalidParameterValue(
        `Value ( ${key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use`,
      );
    }
    if (key.length > 128) {
      throw errors.invalidParameterValue(
        `Tag key exceeds the maximum length of 128 characters (${key.length}).`,
      );
    }
    if (value.length > 256) {
      throw errors.invalidParameterValue(
        `Tag value exceeds the maximum length of 256 characters (${value.length}).`,
      );
    }
    result[key] = value;
  }
  if (Object.keys(result).length > TAGS_PER_RESOURCE) {
    throw new AwsError(
      'TagLimitExceeded',
      `The maximum number of Tags for a resource has been reached: ${TAGS_PER_RESOURCE}.`,
    );
  }
  return result;
}

/**
 * What a create call's TagSpecifications say for one type of resource. Throws when they name a type that the call does not
 * make (`others` are the further ones that it makes), or one type or key twice.
 */
export function specifiedTags(
  specifications: readonly ec2.TagSpecification[] | undefined,
  resourceType: ec2.ResourceType,
  others: readonly ec2.ResourceType[] = [],
): Tags {
  let found: Tags | undefined;
  for (const specification of specifications ?? []) {
    const type = errors.required(specification.ResourceType, 'TagSpecification.ResourceType');
    if (type !== resourceType && !others.includes(type)) {
      throw errors.invalidParameterValue(
        `'${type}' is not a valid taggable resource type for this operation.`,
      );
    }
    if (type !== resourceType) continue;
    if (found) {
      throw errors.invalidParameterValue(
        `The same resource type may not be specified more than once in tag specifications`,
      );
    }
    const tags = specification.Tags ?? [];
    const keys = tags.map((tag) => tag.Key);
    const repeated = keys.find((key, at) => keys.indexOf(key) !== at);
    if (repeated !== undefined) {
      throw errors.invalidParameterValue(`Duplicate tag key '${repeated}' specified.`);
    }
    found = withTags({}, tags);
  }
  return found ?? {};
}

/** Tags as the API shows them. */
export const tagList = (tags: Tags): ec2.Tag[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
