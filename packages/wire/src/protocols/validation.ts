import type { Constraint, Violation } from './check.ts';

/**
 * How all services but EC2 word what their model does not allow: everything at once, in one sentence.
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
