/** What the API does with launch templates and their versions. */
import type * as ec2 from '@aws-sdk/client-ec2';
import { AwsError, unsupported } from '../../common/errors.ts';
import type { FilterFields } from '../../common/filters.ts';
import { onceByToken } from '../../common/idempotency.ts';
import { newId } from '../../common/names.ts';
import type { RequestContext, Scope } from '../../common/service.ts';
import * as compute from '../compute-errors.ts';
import { idempotentParameterMismatch, required } from '../errors.ts';
import { checkUserData } from '../instance/launch.ts';
import { refuseLaunchParameters } from '../instance/launch-request.ts';
import { select } from '../selection.ts';
import { specifiedTags, tagList } from '../tags.ts';
import {
  findTemplate,
  type LaunchTemplate,
  type LaunchTemplateVersion,
  launchTemplates,
  launchTemplateVersions,
  resolveLaunchTemplate,
  versionId,
} from './launch-template.ts';
import { referenceOf, shapeVersion } from './version-operations.ts';

export const shapeTemplate = ({ id, spec, createdAt, tags }: LaunchTemplate): ec2.LaunchTemplate => ({
  LaunchTemplateId: id,
  LaunchTemplateName: spec.name,
  CreateTime: new Date(createdAt),
  CreatedBy: spec.createdBy,
  DefaultVersionNumber: spec.defaultVersion,
  LatestVersionNumber: spec.latestVersion,
  Tags: tagList(tags),
});

/** A template's data are checked as far as they can be without a launch. */
function checkData(data: ec2.RequestLaunchTemplateData | undefined): ec2.RequestLaunchTemplateData {
  const given = required(data, 'LaunchTemplateData');
  refuseLaunchParameters('CreateLaunchTemplate, LaunchTemplateData', given);
  checkUserData(given.UserData);
  return given;
}

const NAME = /^[A-Za-z0-9()./_-]{3,128}$/;

export function createLaunchTemplate(
  input: ec2.CreateLaunchTemplateRequest,
  context: RequestContext,
): ec2.CreateLaunchTemplateResult {
  if (input.Operator) throw unsupported('the parameter Operator of CreateLaunchTemplate');
  const request = {
    call: 'CreateLaunchTemplate',
    token: input.ClientToken,
    input,
    mismatch: idempotentParameterMismatch,
  };
  const [id = ''] = onceByToken(context, request, () => [makeTemplate(input, context).id]);
  return { LaunchTemplate: shapeTemplate(findTemplate(context, { id })) };
}

function makeTemplate(input: ec2.CreateLaunchTemplateRequest, context: RequestContext): LaunchTemplate {
  const name = required(input.LaunchTemplateName, 'LaunchTemplateName');
  if (!NAME.test(name)) throw compute.templateNameMalformed();
  const { tx, region } = context;
  if (tx.list(launchTemplates, region).some((one) => one.spec.name === name)) {
    throw compute.templateNameExists();
  }
  const data = checkData(input.LaunchTemplateData);
  const createdBy = context.principal.arn;
  const template = tx.create(launchTemplates, {
    region,
    id: newId(context, 'lt'),
    spec: { name, defaultVersion: 1, latestVersion: 1, createdBy },
    status: null,
    tags: specifiedTags(input.TagSpecifications, 'launch-template'),
  });
  makeVersion(context, template, 1, { data, description: input.VersionDescription, createdBy });
  return template;
}

interface VersionContents {
  readonly data: ec2.RequestLaunchTemplateData;
  readonly description: string | undefined;
  readonly createdBy: string;
}

const makeVersion = (
  scope: Scope,
  template: LaunchTemplate,
  number: number,
  { data, description, createdBy }: VersionContents,
): LaunchTemplateVersion =>
  scope.tx.create(launchTemplateVersions, {
    region: scope.region,
    id: versionId(template.id, number),
    owner: template,
    spec: { templateId: template.id, number, ...(description && { description }), data, createdBy },
    status: null,
  });

/** A new version: what is given, over the source version where one is named. */
export function createLaunchTemplateVersion(
  input: ec2.CreateLaunchTemplateVersionRequest,
  context: RequestContext,
): ec2.CreateLaunchTemplateVersionResult {
  if (input.ResolveAlias) throw unsupported('the parameter ResolveAlias of CreateLaunchTemplateVersion');
  const template = findTemplate(context, referenceOf(input));
  const request = {
    call: 'CreateLaunchTemplateVersion',
    token: input.ClientToken,
    input,
    mismatch: idempotentParameterMismatch,
  };
  const [id = ''] = onceByToken(context, request, () => {
    const given = checkData(input.LaunchTemplateData);
    const source = input.SourceVersion
      ? resolveLaunchTemplate(context, { ...referenceOf(input), version: input.SourceVersion }).data
      : {};
    const number = template.spec.latestVersion + 1;
    context.tx.update(template, { spec: { ...template.spec, latestVersion: number } });
    const contents = {
      data: { ...source, ...given },
      description: input.VersionDescription,
      createdBy: context.principal.arn,
    };
    return [makeVersion(context, template, number, contents).id];
  });
  const version = context.tx.get(launchTemplateVersions, context.region, id);
  return {
    LaunchTemplateVersion: version && shapeVersion(findTemplate(context, { id: template.id }), version),
  };
}

export function modifyLaunchTemplate(
  input: ec2.ModifyLaunchTemplateRequest & { SetDefaultVersion?: string },
  context: RequestContext,
): ec2.ModifyLaunchTemplateResult {
  // The parameter is DefaultVersion in the SDKs and SetDefaultVersion on the wire.
  const wanted = required(input.DefaultVersion ?? input.SetDefaultVersion, 'SetDefaultVersion');
  const { template, version } = resolveLaunchTemplate(context, { ...referenceOf(input), version: wanted });
  const after = context.tx.update(template, { spec: { ...template.spec, defaultVersion: version } });
  return { LaunchTemplate: shapeTemplate(after) };
}

export function deleteLaunchTemplate(
  input: ec2.DeleteLaunchTemplateRequest,
  context: RequestContext,
): ec2.DeleteLaunchTemplateResult {
  const template = findTemplate(context, referenceOf(input));
  for (const version of context.tx.list(launchTemplateVersions, context.region)) {
    if (version.spec.templateId === template.id) context.tx.remove(version);
  }
  context.tx.remove(template);
  return { LaunchTemplate: shapeTemplate(template) };
}

const fields: FilterFields<LaunchTemplate> = {
  'create-time': ({ createdAt }) => new Date(createdAt).toISOString(),
  'launch-template-name': ({ spec }) => spec.name,
};

export function describeLaunchTemplates(
  input: ec2.DescribeLaunchTemplatesRequest,
  context: RequestContext,
): ec2.DescribeLaunchTemplatesResult {
  const ids = input.LaunchTemplateIds ?? [];
  const names = input.LaunchTemplateNames ?? [];
  const named = [
    ...ids.map((id) => findTemplate(context, { id })),
    ...names.map((name) => findTemplate(context, { name })),
  ];
  const { items, NextToken } = select(context, input, {
    call: 'DescribeLaunchTemplates',
    items:
      ids.length + names.length > 0 ? [...new Set(named)] : context.tx.list(launchTemplates, context.region),
    notFound: (id) => new AwsError('InvalidLaunchTemplateId.NotFound', id),
    fields,
    fewest: 1,
  });
  return { LaunchTemplates: items.map(shapeTemplate), NextToken };
}
