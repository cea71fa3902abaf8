import type { ServiceError } from '../errors.ts';
import type { OperationModel, ServiceModel } from '../model.ts';
import type { ProtocolName } from '../model-file.ts';
import { awsJson1_0, awsJson1_1 } from './aws-json.ts';
import { awsQuery } from './aws-query.ts';
import { ec2Query } from './ec2-query.ts';
import type { Pair } from './form.ts';

/** A request as the protocols read it: the body is whole, the signature is verified. */
export interface WireRequest {
  readonly method: string;
  /** Without the query string. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** The pairs of the query string and of a form body, without the signature's own. */
  readonly parameters: readonly Pair[];
}

export interface WireResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface EncodeContext {
  readonly model: ServiceModel;
  readonly operation: OperationModel;
  readonly requestId: string;
}

/** What can be wrong with a request before its service sees it; each protocol has its own codes for it. */
export type Problem =
  | { readonly kind: 'no credentials' | 'unknown key' | 'wrong token' | 'token expired' }
  | { readonly kind: 'wrong signature' }
  | { readonly kind: 'incomplete signature'; readonly detail: string }
  | { readonly kind: 'outside its time'; readonly detail: string }
  | { readonly kind: 'no action' }
  | { readonly kind: 'unknown action' | 'unknown version'; readonly action: string; readonly version: string }
  | { readonly kind: 'not served'; readonly what: string }
  | { readonly kind: 'internal fault' };

/** One of AWS's protocols. A new one is one file and one line in `PROTOCOLS`. */
export interface Protocol {
  readonly name: ProtocolName;
  /** The HTTP methods that a call may come by. */
  readonly methods: readonly string[];
  /**
   * The operation's input, its members named as in the SDK's types.
   * @throws WireError for an input that the model does not allow.
   */
  decode(request: WireRequest, operation: OperationModel, model: ServiceModel): Record<string, unknown>;
  /** @throws TypeError when the output is not what the model says. */
  encode(output: unknown, context: EncodeContext): WireResponse;
  encodeError(error: ServiceError, requestId: string, model: ServiceModel | undefined): WireResponse;
  /** The protocol's own code, message and status for a problem. */
  refuse(problem: Problem): ServiceError;
}

const PROTOCOLS: readonly Protocol[] = [ec2Query, awsQuery, awsJson1_0, awsJson1_1];

export function protocolNamed(name: ProtocolName): Protocol {
  const protocol = PROTOCOLS.find((candidate) => candidate.name === name);
  if (protocol === undefined) throw new Error(`there is no protocol ${name}`);
  return protocol;
}
