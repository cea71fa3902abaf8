/** Launch templates: numbered versions of what a launch should be. */
import type { RequestLaunchTemplateData } from '@aws-sdk/client-ec2';
import { type ResourceOf, resourceType } from '../../../store/resource.ts';
import type { Scope } from '../../common/service.ts';
import {
  templateIdMalformed,
  templateIdNotFound,
  templateNameNotFound,
  templateVersionNotFound,
} from '../compute-errors.ts';
import { invalidParameterCombination, missingParameter } from '../errors.ts';

export interface LaunchTemplateSpec {
  readonly name: string;
  readonly defaultVersion: number;
  readonly latestVersion: number;
  readonly createdBy: string;
}

export const launchTemplates = resourceType<LaunchTemplateSpec, null>('ec2.launch-template');
export type LaunchTemplate = ResourceOf<typeof launchTemplates>;

export interface LaunchTemplateVersionSpec {
  readonly templateId: string;
  readonly number: number;
  readonly description?: string;
  readonly data: RequestLaunchTemplateData;
  readonly createdBy: string;
}

/** By `<template id>/<number>`; the template is the owner. */
export const launchTemplateVersions = resourceType<LaunchTemplateVersionSpec, null>(
  'ec2.launch-template-version',
);
export type LaunchTemplateVersion = ResourceOf<typeof launchTemplateVersions>;

/** How a caller names a template, and perhaps a version: a number, `$Latest` or `$Default`. */
export interface TemplateReference {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly version?: string | undefined;
}

export const versionId = (templateId: string, number: number): string => `${templateId}/${number}`;

/** The template that is named by id or by name. */
export function findTemplate(scope: Scope, reference: TemplateReference): LaunchTemplate {
  const { id, name } = reference;
  if (id !== undefined && name !== undefined) {
    throw invalidParameterCombination(
      'The parameters launchTemplateId and launchTemplateName cannot be used together.',
    );
  }
  if (id !== undefined) {
    if (!/^lt-[0-9a-f]{17}$/.test(id)) throw templateIdMalformed(id);
    const template = scope.tx.get(launchTemplates, scope.region, id);
    if (!template) throw templateIdNotFound(id);
    return template;
  }
  if (name === undefined) throw missingParameter('launchTemplateId or launchTemplateName');
  const template = scope.tx.list(launchTemplates, scope.region).find((one) => one.spec.name === name);
  if (!template) throw templateNameNotFound(name);
  return template;
}

/** The version's number; undefined when the text is none. `$Default` is what an absent one means. */
export function versionNumber(template: LaunchTemplate, version: string | undefined): number | undefined {
  if (version === undefined || version === '' || version === '$Default') return template.spec.defaultVersion;
  if (version === '$Latest') return template.spec.latestVersion;
  return /^\d+$/.test(version) ? Number(version) : undefined;
}

export interface ResolvedTemplate {
  readonly template: LaunchTemplate;
  readonly version: number;
  readonly data: RequestLaunchTemplateData;
}

/**
 * The template's data in the wanted version. Throws `InvalidLaunchTemplateId.NotFound`,
 * `InvalidLaunchTemplateName.NotFoundException` and `InvalidLaunchTemplateId.VersionNotFound`.
 */
export function resolveLaunchTemplate(scope: Scope, reference: TemplateReference): ResolvedTemplate {
  const template = findTemplate(scope, reference);
  const number = versionNumber(template, reference.version);
  const found =
    number === undefined
      ? undefined
      : scope.tx.get(launchTemplateVersions, scope.region, versionId(template.id, number));
  if (!found) throw templateVersionNotFound(reference.version ?? '$Default');
  return { template, version: found.spec.number, data: found.spec.data };
}
