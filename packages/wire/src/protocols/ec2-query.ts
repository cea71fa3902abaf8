import { type ServiceError, WireError } from '../errors.ts';
import type { Violation } from './check.ts';
import { decodeQuery, type QueryStyle } from './decode-query.ts';
import { parameterTree } from './form.ts';
import type { Problem, Protocol, WireResponse } from './protocol.ts';
import { errorFields, escapeXml, writeStructure, XML_DECLARATION } from './xml.ts';

/**
 * EC2's query protocol: lists are `X.1`, answers have no result element around them.
 * https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
 */
export const ec2Query: Protocol = {
  name: 'ec2',

  methods: ['POST', 'GET'],

  decode(request, operation) {
    const tree = parameterTree(request.parameters);
    const { input, violations } = decodeQuery(tree, operation.input, STYLE);
    const [first] = violations;
    if (first !== undefined) throw refusal(first, operation.name);
    return input;
  },

  encode(output, { model, operation, requestId }) {
    // An operation without output answers <return>true</return>.
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpc.html
    const content = operation.output
      ? writeStructure(output ?? {}, operation.output)
      : '<return>true</return>';
    const name = `${operation.name}Response`;
    const body = `${XML_DECLARATION}<${name} xmlns="${model.xmlNamespace}/"><requestId>${requestId}</requestId>${content}</${name}>`;
    return { ...XML, status: 200, body };
  },

  encodeError(error, requestId) {
    const details = `<Code>${escapeXml(error.code)}</Code><Message>${escapeXml(error.message)}</Message>${errorFields(error)}`;
    const body = `${XML_DECLARATION}<Response><Errors><Error>${details}</Error></Errors><RequestID>${requestId}</RequestID></Response>`;
    return { ...XML, status: error.httpStatus, body };
  },

  refuse,
};

const STYLE: QueryStyle = { listsAreFlat: true, booleans: 'any case' };
const XML: Pick<WireResponse, 'contentType'> = { contentType: 'text/xml;charset=UTF-8' };

/**
 * EC2 answers a wrong key, signature or token with one and the same AuthFailure.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
 */
function refuse(problem: Problem): ServiceError {
  switch (problem.kind) {
    case 'no credentials':
      return new WireError('MissingAuthenticationToken', 'The request must contain valid credentials.', 403);
    case 'unknown key':
    case 'wrong token':
    case 'wrong signature':
      return new WireError(
        'AuthFailure',
        'AWS was not able to validate the provided access credentials',
        401,
      );
    case 'token expired':
    case 'outside its time':
      return new WireError('RequestExpired', 'Request has expired.', 400);
    case 'incomplete signature':
      return new WireError('IncompleteSignature', problem.detail, 400);
    case 'no action':
      return new WireError('MissingAction', 'The request is missing an action or a required parameter.');
    case 'unknown action':
      return new WireError(
        'InvalidAction',
        `The action ${problem.action} is not valid for this web service.`,
      );
    case 'unknown version':
      return new WireError(
        'NoSuchVersion',
        `The requested version (${problem.version}) of service AmazonEC2 does not exist`,
      );
    case 'not served':
      // EC2 has this code for requests that it cannot carry out; 501 keeps clients from trying again.
      return new WireError('UnsupportedOperation', `Holdfast does not support ${problem.what} yet.`, 501);
    case 'internal fault':
      return new WireError('InternalError', 'An internal error has occurred', 500);
  }
}

/** EC2 names the first thing that is wrong, and nothing else. */
function refusal(violation: Violation, operation: string): WireError {
  const name = violation.path.join('.');
  switch (violation.kind) {
    case 'unknown':
    case 'not a list':
      return new WireError('UnknownParameter', `The parameter ${name} is not recognized`);
    case 'missing':
      return new WireError('MissingParameter', `The request must contain the parameter ${name}`);
    case 'type':
      return invalid(`Invalid value '${violation.value}' for ${name}. Expected: '${violation.expected}'.`);
    case 'constraint':
      return constraintRefusal(violation, name, operation);
  }
}

function constraintRefusal(
  violation: Violation & { kind: 'constraint' },
  name: string,
  operation: string,
): WireError {
  const { value, constraint, path } = violation;
  const last = path.at(-1) ?? name;
  const parameter = /^\d+$/.test(last) ? name : lowerFirst(last);
  if (constraint.rule === 'enum' && constraint.name === 'InstanceType') {
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (InvalidInstanceType)
    return operation === 'DescribeInstanceTypes'
      ? new WireError('InvalidInstanceType', `The following supplied instance types do not exist: [${value}]`)
      : invalid(`Invalid value '${value}' for InstanceType.`);
  }
  if (constraint.rule === 'enum' && constraint.name === 'ResourceType') {
    return invalid(`'${value}' is not a valid taggable resource type for this operation.`);
  }
  if (constraint.rule === 'enum' || constraint.rule === 'pattern' || constraint.of === 'length') {
    return invalid(`Value (${value}) for parameter ${parameter} is invalid.`);
  }
  // EC2's own wording, spaces and all, though the limit itself is allowed:
  // https://github.com/aws/aws-sdk-ruby/pull/2575
  const bound = constraint.rule === 'min' ? 'greater than' : 'less than or equal to';
  return invalid(
    `Value ( ${value} ) for parameter ${parameter} is invalid. Expecting a value ${bound} ${constraint.limit}.`,
  );
}

function invalid(message: string): WireError {
  return new WireError('InvalidParameterValue', message);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
