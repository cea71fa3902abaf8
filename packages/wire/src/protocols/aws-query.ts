import { faultOf, type ServiceError, WireError } from '../errors.ts';
import type { Violation } from './check.ts';
import { internalFailure, notServed, validationMessage, WRONG_SIGNATURE } from './common-errors.ts';
import { decodeQuery, type QueryStyle } from './decode-query.ts';
import { parameterTree } from './form.ts';
import type { Problem, Protocol } from './protocol.ts';
import { errorFields, escapeXml, writeStructure, XML_DECLARATION } from './xml.ts';

/**
 * The query protocol of STS, Elastic Load Balancing, Auto Scaling and others: lists are `X.member.1`, answers
 * stand in a result element.
 * https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
 */
export const awsQuery: Protocol = {
  name: 'awsQuery',

  methods: ['POST', 'GET'],

  decode(request, operation) {
    const tree = parameterTree(request.parameters);
    const { input, violations } = decodeQuery(tree, operation.input, STYLE);
    if (violations.length > 0) throw refusal(violations);
    return input;
  },

  encode(output, { model, operation, requestId }) {
    const { name } = operation;
    const result = operation.output
      ? resultElement(name, writeStructure(output ?? {}, operation.output))
      : '';
    const metadata = `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
    const body = `${XML_DECLARATION}<${name}Response xmlns="${model.xmlNamespace}">${result}${metadata}</${name}Response>`;
    return { status: 200, contentType: 'text/xml', body };
  },

  encodeError(error, requestId, model) {
    const namespace = model ? ` xmlns="${model.xmlNamespace}"` : '';
    const details = `<Type>${faultOf(error)}</Type><Code>${escapeXml(error.code)}</Code><Message>${escapeXml(error.message)}</Message>${errorFields(error)}`;
    const body = `${XML_DECLARATION}<ErrorResponse${namespace}><Error>${details}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`;
    return { status: error.httpStatus, contentType: 'text/xml', body };
  },

  refuse,
};

const STYLE: QueryStyle = { listsAreFlat: false, booleans: 'xsd' };

function resultElement(operation: string, content: string): string {
  return content === '' ? `<${operation}Result/>` : `<${operation}Result>${content}</${operation}Result>`;
}

/** https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html */
function refuse(problem: Problem): ServiceError {
  switch (problem.kind) {
    case 'no credentials':
      return new WireError('MissingAuthenticationToken', 'Request is missing Authentication Token', 403);
    case 'unknown key':
    case 'wrong token':
      return new WireError(
        'InvalidClientTokenId',
        'The security token included in the request is invalid.',
        403,
      );
    case 'token expired':
      return new WireError('ExpiredToken', 'The security token included in the request is expired', 403);
    case 'wrong signature':
      return new WireError('SignatureDoesNotMatch', WRONG_SIGNATURE, 403);
    case 'outside its time':
      return new WireError('SignatureDoesNotMatch', problem.detail, 403);
    case 'incomplete signature':
      return new WireError('IncompleteSignature', problem.detail, 400);
    case 'no action':
      return new WireError('MissingAction', 'The request is missing an action or a required parameter.');
    case 'unknown action':
    case 'unknown version':
      return new WireError(
        'InvalidAction',
        `Could not find operation ${problem.action} for version ${problem.version || 'NO_VERSION_SPECIFIED'}`,
      );
    case 'not served':
      return notServed(problem.what);
    case 'internal fault':
      return internalFailure();
  }
}

/** Broken constraints are told all at once; a parameter of the wrong form comes before them. */
function refusal(violations: readonly Violation[]): WireError {
  const malformed = violations.map(malformation).find((error) => error !== undefined);
  if (malformed !== undefined) return malformed;
  return new WireError('ValidationError', validationMessage(violations));
}

function malformation(violation: Violation): WireError | undefined {
  const name = violation.path.join('.');
  switch (violation.kind) {
    case 'unknown':
      // AWS passes over what it does not know. Holdfast refuses it: it may be a parameter that is newer than
      // the model, and then passing over it would change what the caller asked for.
      return new WireError('ValidationError', `The parameter ${name} is not recognized`);
    case 'not a list':
      return new WireError('MalformedInput', `Expected a list at ${name}`);
    case 'type':
      return new WireError('MalformedInput', typeMessage(violation.expected, violation.value));
    default:
      return undefined;
  }
}

function typeMessage(expected: string, value: string): string {
  if (expected === 'boolean') {
    return value === '' ? 'missing value for boolean type' : 'boolean must follow xsd1.1 definition';
  }
  if (expected === 'timestamp') return 'timestamp must follow ISO8601';
  return `Unable to read '${value}' as ${expected}`;
}
