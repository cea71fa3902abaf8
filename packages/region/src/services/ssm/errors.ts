/**
 * Systems Manager's error codes.
 * https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html (errors)
 */
import { AwsError } from '../common/errors.ts';

const error = (code: string, message: string): AwsError => new AwsError(code, message);

/** AWS gives this one no message. */
export const parameterNotFound = (): AwsError => error('ParameterNotFound', '');

export const parameterVersionNotFound = (name: string, version: string): AwsError =>
  error(
    'ParameterVersionNotFound',
    `Systems Manager could not find version ${version} of ${name}. Verify the version and try again.`,
  );

export const parameterLabelNotFound = (name: string, label: string): AwsError =>
  error(
    'ParameterVersionNotFound',
    `Systems Manager could not find label ${label} for parameter ${name}. Verify the label and try again.`,
  );

/** The wording is Parameter Store's for a path that is no hierarchy. */
export const invalidPath = (): AwsError =>
  error(
    'ValidationException',
    'The parameter doesn\'t meet the parameter name requirements. The parameter name must begin with a forward slash "/". ' +
      'It can\'t be prefixed with "aws" or "ssm" (case-insensitive) except for the public parameters below "/aws/service".',
  );

export const invalidFilterKey = (key: string): AwsError =>
  error(
    'InvalidFilterKey',
    `The following filter key is not valid: ${key}. Valid filter keys include: [Type, KeyId, Label]`,
  );

export const invalidFilterOption = (option: string): AwsError =>
  error(
    'InvalidFilterOption',
    `The following filter option is not valid: ${option}. Valid options include: [BeginsWith, Equals]`,
  );

export const invalidNextToken = (): AwsError =>
  error('InvalidNextToken', 'The specified token is not valid.');
