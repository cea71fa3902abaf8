import { type ServiceError, WireError } from '../errors.ts';
import type { ServiceModel } from '../model.ts';
import type { Violation } from './check.ts';
import { internalFailure, notServed, validationMessage, WRONG_SIGNATURE } from './common-errors.ts';
import { decodeJson } from './decode-json.ts';
import type { Problem, Protocol } from './protocol.ts';
import { jsonStructure } from './write-json.ts';

/**
 * The JSON protocols of Systems Manager, EC2 Instance Connect and others: the operation stands in `X-Amz-Target`, input
 * and output are JSON documents. The two versions differ in their content type only.
 * https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
 */
function awsJson(name: 'awsJson1_0' | 'awsJson1_1', contentType: string): Protocol {
  return {
    name,
    methods: ['POST'],

    decode(request, operation, model) {
      const { input, violations } = decodeJson(parse(request.body), operation.input);
      if (violations.length > 0) throw refusal(violations, model);
      return input;
    },

    encode(output, { operation }) {
      const document = operation.output ? jsonStructure(output ?? {}, operation.output) : {};
      return { status: 200, contentType, body: JSON.stringify(document) };
    },

    encodeError(error) {
      // An error without a message has none here either: so ParameterNotFound comes from AWS.
      const message = error.message === '' ? undefined : error.message;
      const body = JSON.stringify({ __type: error.code, message, ...error.fields });
      return { status: error.httpStatus, contentType, body };
    },

    refuse,
  };
}

export const awsJson1_0: Protocol = awsJson('awsJson1_0', 'application/x-amz-json-1.0');
export const awsJson1_1: Protocol = awsJson('awsJson1_1', 'application/x-amz-json-1.1');

/** An empty body is an input without members. */
function parse(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new WireError('SerializationException', 'The request body is not a JSON document.');
  }
}

/** https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html */
function refuse(problem: Problem): ServiceError {
  switch (problem.kind) {
    case 'no credentials':
      return new WireError('MissingAuthenticationTokenException', 'Missing Authentication Token');
    case 'unknown key':
    case 'wrong token':
      return new WireError(
        'UnrecognizedClientException',
        'The security token included in the request is invalid.',
      );
    case 'token expired':
      return new WireError('ExpiredTokenException', 'The security token included in the request is expired');
    case 'wrong signature':
      return new WireError('InvalidSignatureException', WRONG_SIGNATURE);
    case 'outside its time':
      return new WireError('InvalidSignatureException', problem.detail);
    case 'incomplete signature':
      return new WireError('IncompleteSignatureException', problem.detail);
    case 'no action':
      return new WireError('UnknownOperationException', 'The request names no operation in X-Amz-Target.');
    case 'unknown action':
    case 'unknown version':
      return new WireError('UnknownOperationException', `There is no operation ${problem.action}.`);
    case 'not served':
      return notServed(problem.what);
    case 'internal fault':
      return internalFailure();
  }
}

/** A value of the wrong type ends the reading before any constraint is looked at. */
function refusal(violations: readonly Violation[], model: ServiceModel): WireError {
  const mistyped = violations.find((violation) => violation.kind === 'type');
  if (mistyped !== undefined) {
    return new WireError('SerializationException', typeMessage(mistyped.value, mistyped.expected));
  }
  const code = model.validationCode ?? 'ValidationException';
  // AWS passes over what it does not know. Holdfast refuses it: it may be newer than the model, and then passing over it
  // would change what the caller asked for.
  const unknown = violations.find((violation) => violation.kind === 'unknown');
  if (unknown !== undefined) {
    return new WireError(code, `The parameter ${unknown.path.join('.')} is not recognized`);
  }
  return new WireError(code, validationMessage(violations));
}

function typeMessage(token: string, expected: string): string {
  if (token === 'list') return 'Start of list found where not expected';
  if (token === 'structure') return 'Start of structure or map found where not expected.';
  if (expected === 'structure' || expected === 'list' || expected === 'map') {
    return `Expected a ${expected}, found ${token}`;
  }
  return `${token} can not be converted to ${WORDS[expected] ?? `a ${expected}`}`;
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'a String',
  integer: 'an Integer',
  long: 'a Long',
  float: 'a Double',
  number: 'a Number',
  boolean: 'a Boolean',
  timestamp: 'a Timestamp',
  blob: 'a ByteBuffer',
};
