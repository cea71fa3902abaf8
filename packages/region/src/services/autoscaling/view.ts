/** A group as its plan sees it, from the records. */
import type { Scope } from '../common/service.ts';
import { impairedSince } from '../ec2/instance/plan-checks.ts';
import { type LaunchTemplate, launchTemplates } from '../ec2/launch-template/launch-template.ts';
import { instances } from '../ec2/records.ts';
import type { GroupView, InstanceView, ZoneView } from './plan.ts';
import { type Group, type LaunchSource, launchConfigurations, type Member } from './records.ts';
import { isTargetUnhealthy } from './registration.ts';

type Reading = Pick<Scope, 'tx' | 'region'>;

const sameSource = (a: LaunchSource, b: LaunchSource): boolean => JSON.stringify(a) === JSON.stringify(b);

export const groupView = ({ spec, status }: Group): GroupView => ({
  maxSize: spec.maxSize,
  desiredCapacity: spec.desiredCapacity,
  healthCheckType: spec.healthCheckType,
  gracePeriodMs: spec.gracePeriodS * 1000,
  terminationPolicies: spec.terminationPolicies,
  suspended: new Set(spec.suspended),
  deleting: spec.deleting,
  retryAt: status.retry && sameSource(status.retry.source, spec.launch) ? status.retry.at : undefined,
});

export const zoneViews = ({ spec, status }: Group): ZoneView[] =>
  [...new Set(spec.places.map((place) => place.zone))]
    .toSorted()
    .map((zone) => ({ zone, closedUntil: status.closedZones[zone] }));

/** The version that a group's template stands for now. */
const currentVersion = (template: LaunchTemplate, version: string): string => {
  if (version === '$Latest') return String(template.spec.latestVersion);
  return version === '$Default' ? String(template.spec.defaultVersion) : version;
};

/**
 * How old is what an instance was made from? Attached instances and configurations come before templates, templates that
 * the group no longer uses before the one that it uses.
 */
function launchRank({ tx, region }: Reading, group: Group, { spec }: Member): number {
  const source = spec.launch;
  if (!source) return Number.MIN_SAFE_INTEGER;
  if (source.kind === 'configuration') {
    const made = tx.get(launchConfigurations, region, source.name)?.createdAt ?? 0;
    return Number.MIN_SAFE_INTEGER + made;
  }
  const used = group.spec.launch;
  const version = Number(source.version);
  if (used.kind !== 'template' || used.id !== source.id) return version - 1e9;
  const template = tx.get(launchTemplates, region, source.id);
  const current = template && currentVersion(template, used.version) === source.version;
  return current ? version + 1e9 : version;
}

export function instanceView(scope: Reading, group: Group, member: Member): InstanceView {
  const { spec, status } = member;
  const instance = scope.tx.get(instances, scope.region, member.id);
  const state = instance?.status.state;
  return {
    id: member.id,
    zone: spec.zone,
    launchedAt: instance?.spec.launchedAt ?? member.createdAt,
    launchRank: launchRank(scope, group, member),
    lifecycle: status.lifecycle,
    rebalancing: spec.rebalancing,
    protectedFromScaleIn: spec.protectedFromScaleIn,
    inServiceAt: status.inServiceAt,
    ec2: state === 'running' || state === 'pending' ? state : 'ended',
    impairedSince: instance && impairedSince(instance.status.checks),
    targetUnhealthy: isTargetUnhealthy(scope, member),
    reportedUnhealthy: spec.reportedUnhealthy,
  };
}
