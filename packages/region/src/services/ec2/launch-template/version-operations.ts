/** What the API does with the versions of a launch template. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { refuseParameters } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import type { RequestContext, Scope } from '../../common/service.ts';
import * as compute from '../compute-errors.ts';
import { invalidParameterValue, missingParameter, required } from '../errors.ts';
import { select } from '../selection.ts';
import {
  findTemplate,
  type LaunchTemplate,
  type LaunchTemplateVersion,
  launchTemplates,
  launchTemplateVersions,
  type TemplateReference,
  versionId,
  versionNumber,
} from './launch-template.ts';

interface TemplateInput {
  readonly LaunchTemplateId?: string | undefined;
  readonly LaunchTemplateName?: string | undefined;
}

export const referenceOf = (input: TemplateInput): TemplateReference => ({
  id: input.LaunchTemplateId || undefined,
  name: input.LaunchTemplateName || undefined,
});

export const shapeVersion = (
  template: LaunchTemplate,
  { spec, createdAt }: LaunchTemplateVersion,
): ec2.LaunchTemplateVersion => ({
  LaunchTemplateId: template.id,
  LaunchTemplateName: template.spec.name,
  VersionNumber: spec.number,
  VersionDescription: spec.description,
  CreateTime: new Date(createdAt),
  CreatedBy: spec.createdBy,
  DefaultVersion: spec.number === template.spec.defaultVersion,
  LaunchTemplateData: spec.data as ec2.ResponseLaunchTemplateData,
});

const fields = (templates: ReadonlyMap<string, LaunchTemplate>): FilterFields<LaunchTemplateVersion> => ({
  'create-time': ({ createdAt }) => new Date(createdAt).toISOString(),
  'ebs-optimized': ({ spec }) => String(spec.data.EbsOptimized ?? false),
  'image-id': ({ spec }) => spec.data.ImageId,
  'instance-type': ({ spec }) => spec.data.InstanceType,
  'is-default-version': ({ spec }) =>
    String(templates.get(spec.templateId)?.spec.defaultVersion === spec.number),
  'network-card-index': () => undefined,
});

/** The versions asked for: numbers, `$Latest`, `$Default`; of all templates only the last two can be asked for. */
function wantedVersions(
  input: ec2.DescribeLaunchTemplateVersionsRequest,
  context: Scope,
): LaunchTemplateVersion[] {
  const { tx, region } = context;
  const wanted = input.Versions ?? [];
  const ofTemplate = (template: LaunchTemplate, version: string): LaunchTemplateVersion => {
    const number = versionNumber(template, version);
    const found =
      number === undefined
        ? undefined
        : tx.get(launchTemplateVersions, region, versionId(template.id, number));
    if (!found) throw compute.templateVersionNotFound(version);
    return found;
  };
  if (input.LaunchTemplateId || input.LaunchTemplateName) {
    const template = findTemplate(context, referenceOf(input));
    if (wanted.length > 0) return [...new Set(wanted.map((version) => ofTemplate(template, version)))];
    return tx.list(launchTemplateVersions, region).filter(({ spec }) => spec.templateId === template.id);
  }
  if (wanted.length === 0) throw missingParameter('LaunchTemplateId or LaunchTemplateName');
  const number = wanted.find((version) => version !== '$Latest' && version !== '$Default');
  if (number !== undefined) {
    throw invalidParameterValue(
      `Without a launch template, only $Latest and $Default can be described, not ${number}`,
    );
  }
  return [
    ...new Set(
      tx.list(launchTemplates, region).flatMap((one) => wanted.map((version) => ofTemplate(one, version))),
    ),
  ];
}

export function describeLaunchTemplateVersions(
  input: ec2.DescribeLaunchTemplateVersionsRequest,
  context: RequestContext,
): ec2.DescribeLaunchTemplateVersionsResult {
  refuseParameters('DescribeLaunchTemplateVersions', input, ['ResolveAlias']);
  const bound = (text: string | undefined, absent: number): number => (text ? Number(text) : absent);
  const least = bound(input.MinVersion, 0);
  const most = bound(input.MaxVersion, Number.POSITIVE_INFINITY);
  const templates = new Map(context.tx.list(launchTemplates, context.region).map((one) => [one.id, one]));
  const { items, NextToken } = select(context, input, {
    call: 'DescribeLaunchTemplateVersions',
    items: wantedVersions(input, context).filter(({ spec }) => spec.number >= least && spec.number <= most),
    notFound: compute.templateVersionNotFound,
    fields: fields(templates),
    fewest: 1,
  });
  const shown = items.flatMap((version) => {
    const template = templates.get(version.spec.templateId);
    return template ? [shapeVersion(template, version)] : [];
  });
  // The newest first, as AWS shows them.
  return {
    LaunchTemplateVersions: shown.toSorted((a, b) => (b.VersionNumber ?? 0) - (a.VersionNumber ?? 0)),
    NextToken,
  };
}

/** Each version by itself; the default one cannot be deleted. */
export function deleteLaunchTemplateVersions(
  input: ec2.DeleteLaunchTemplateVersionsRequest,
  context: RequestContext,
): ec2.DeleteLaunchTemplateVersionsResult {
  const template = findTemplate(context, referenceOf(input));
  const deleted: ec2.DeleteLaunchTemplateVersionsResponseSuccessItem[] = [];
  const kept: ec2.DeleteLaunchTemplateVersionsResponseErrorItem[] = [];
  for (const text of required(input.Versions, 'LaunchTemplateVersion')) {
    const number = versionNumber(template, text);
    const item = {
      LaunchTemplateId: template.id,
      LaunchTemplateName: template.spec.name,
      VersionNumber: number,
    };
    const version =
      number === undefined
        ? undefined
        : context.tx.get(launchTemplateVersions, context.region, versionId(template.id, number));
    const error = !version
      ? { Code: 'launchTemplateVersionDoesNotExist', Message: compute.templateVersionNotFound(text).message }
      : number === template.spec.defaultVersion
        ? { Code: 'unexpectedError', Message: 'The default version of a launch template cannot be deleted.' }
        : undefined;
    if (error || !version) {
      kept.push({ ...item, ResponseError: error as ec2.ResponseError });
    } else {
      context.tx.remove(version);
      deleted.push(item);
    }
  }
  return {
    SuccessfullyDeletedLaunchTemplateVersions: deleted,
    UnsuccessfullyDeletedLaunchTemplateVersions: kept,
  };
}
