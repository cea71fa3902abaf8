/**
 * Reading parameters. There are AWS's public parameters of images and no others: nobody can put one yet, so every other
 * name is one that does not exist.
 */
import type * as ssm from '@aws-sdk/client-ssm';
import { AwsError } from '../common/errors.ts';
import { paginate } from '../common/pagination.ts';
import { prepared, type RequestContext, type Scope } from '../common/service.ts';
import { importBaseImages } from '../ec2/image/image.ts';
import {
  PARAMETER_VERSION,
  type PublicParameter,
  parameterArn,
  parameterMeant,
  publicParameters,
} from '../ec2/image/public-parameter.ts';
import * as errors from './errors.ts';

const shape = (scope: Scope, { name, image }: PublicParameter, selector?: string): ssm.Parameter => ({
  Name: name,
  Type: 'String',
  Value: image.id,
  Version: PARAMETER_VERSION,
  Selector: selector,
  LastModifiedDate: new Date(image.createdAt),
  ARN: parameterArn(scope, name),
  DataType: 'aws:ec2:image',
});

/** Throws ParameterNotFound, ParameterVersionNotFound. */
function parameterOf(scope: Scope, given: string): ssm.Parameter {
  const { parameter, name, selector } = parameterMeant(scope, given.trim());
  if (!parameter) throw errors.parameterNotFound();
  if (selector === undefined) return shape(scope, parameter);
  if (!/^\d+$/.test(selector)) throw errors.parameterLabelNotFound(name, selector);
  if (Number(selector) !== PARAMETER_VERSION) throw errors.parameterVersionNotFound(name, selector);
  return shape(scope, parameter, `:${selector}`);
}

export const getParameter = prepared(
  importBaseImages,
  (input: ssm.GetParameterRequest, context: RequestContext): ssm.GetParameterResult => ({
    Parameter: parameterOf(context, input.Name ?? ''),
  }),
);

/** Names that there are not are told beside those that there are. */
export const getParameters = prepared(
  importBaseImages,
  (input: ssm.GetParametersRequest, context: RequestContext): ssm.GetParametersResult => {
    const found: ssm.Parameter[] = [];
    const invalid: string[] = [];
    for (const name of new Set(input.Names)) {
      try {
        found.push(parameterOf(context, name));
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        invalid.push(name);
      }
    }
    const named = (one: ssm.Parameter): string => `${one.Name}${one.Selector ?? ''}`;
    return {
      Parameters: found.toSorted((a, b) => (named(a) < named(b) ? -1 : 1)),
      InvalidParameters: invalid,
    };
  },
);

type Test = (parameter: ssm.Parameter) => boolean;

/** No public parameter here has a key or a label. */
function testOf({ Key, Option = 'Equals', Values = [] }: ssm.ParameterStringFilter): Test {
  if (!['Type', 'KeyId', 'Label'].includes(Key ?? '')) throw errors.invalidFilterKey(Key ?? '');
  const options = Key === 'Label' ? ['Equals'] : ['Equals', 'BeginsWith'];
  if (!options.includes(Option)) throw errors.invalidFilterOption(Option);
  if (Key !== 'Type') return () => false;
  return ({ Type = '' }) =>
    Values.some((value) => (Option === 'Equals' ? Type === value : Type.startsWith(value)));
}

/** https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html */
const LARGEST_PAGE = 10;

export const getParametersByPath = prepared(
  importBaseImages,
  (input: ssm.GetParametersByPathRequest, context: RequestContext): ssm.GetParametersByPathResult => {
    const path = (input.Path ?? '').trim();
    if (!/^\/([A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*\/?)?$/.test(path)) throw errors.invalidPath();
    const folder = path.endsWith('/') ? path : `${path}/`;
    const tests = (input.ParameterFilters ?? []).map(testOf);
    const below = publicParameters(context)
      .filter(({ name }) => name.startsWith(folder))
      .filter(({ name }) => input.Recursive === true || !name.slice(folder.length).includes('/'))
      .map((one) => shape(context, one))
      .filter((one) => tests.every((test) => test(one)));
    const { items, nextToken } = paginate(context, below, ({ Name = '' }) => Name, {
      call: `GetParametersByPath ${folder} ${input.Recursive === true} ${JSON.stringify(input.ParameterFilters ?? [])}`,
      token: input.NextToken,
      limit: input.MaxResults ?? LARGEST_PAGE,
      invalid: errors.invalidNextToken,
    });
    return { Parameters: items, NextToken: nextToken };
  },
);
