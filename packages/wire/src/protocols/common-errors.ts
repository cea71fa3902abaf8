/** What all services but EC2 say in the same words, by whichever protocol they are asked. */
import { WireError } from '../errors.ts';
import type { Constraint, Violation } from './check.ts';

export const WRONG_SIGNATURE =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.';

export const notServed = (what: string): WireError =>
  new WireError('NotImplemented', `Holdfast does not support ${what} yet.`, 501);

export const internalFailure = (): WireError =>
  new WireError(
    'InternalFailure',
    'The request processing has failed because of an unknown error, exception or failure.',
    500,
  );

/**
 * What their model does not allow: everything at once, in one sentence.
 * https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html (ValidationError)
 */
export function validationMessage(violations: readonly Violation[]): string {
  const texts = violations.map(
    (violation) =>
      `${describeValue(violation)} failed to satisfy constraint: ${describeConstraint(violation)}`,
  );
  const count = texts.length === 1 ? '1 validation error' : `${texts.length} validation errors`;
  return `${count} detected: ${texts.join('; ')}`;
}

function describeValue(violation: Violation): string {
  const path = violation.path.map((name) => name.charAt(0).toLowerCase() + name.slice(1)).join('.');
  return violation.kind === 'constraint'
    ? `Value '${violation.value}' at '${path}'`
    : `Value null at '${path}'`;
}

function describeConstraint(violation: Violation): string {
  return violation.kind === 'constraint' ? words(violation.constraint) : 'Member must not be null';
}

function words(constraint: Constraint): string {
  switch (constraint.rule) {
    case 'min':
      return `Member must have ${constraint.of} greater than or equal to ${constraint.limit}`;
    case 'max':
      return `Member must have ${constraint.of} less than or equal to ${constraint.limit}`;
    case 'pattern':
      return `Member must satisfy regular expression pattern: ${constraint.pattern}`;
    case 'enum':
      return `Member must satisfy enum value set: [${constraint.values.join(', ')}]`;
  }
}
