import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Authenticator,
  authenticate,
  type CallerPolicy,
  type Origin,
  type Principal,
} from './authenticate.ts';
import { isServiceError, type ServiceError, WireError } from './errors.ts';
import { fromForeignPage } from './foreign-page.ts';
import type { OperationModel, ServiceModel } from './model.ts';
import { type Pair, parseForm } from './protocols/form.ts';
import { type Problem, type Protocol, protocolNamed, type WireResponse } from './protocols/protocol.ts';
import { readBody } from './read-body.ts';
import { protocolOfScope, route } from './route.ts';
import { readSignature, type SignatureReading, type SignedRequest, splitTarget } from './sigv4.ts';

export interface Call {
  /** Holdfast's key of the service: ec2, sts, ssm and so on. */
  readonly service: string;
  readonly operation: string;
  /** As the SDK's input type of the operation has it; checked against the model. */
  // biome-ignore lint/suspicious/noExplicitAny: the backend gives each operation its type
  readonly input: any;
  /** From the credential scope. */
  readonly region: string;
  readonly requestId: string;
  /** Undefined for the few operations that need no credentials and came without. */
  readonly principal: Principal | undefined;
  readonly origin: Origin;
}

export interface ServiceBackend {
  serves(service: string, operation: string): boolean;
  /**
   * The operation's output, as the SDK's output type has it; members that are undefined are left out.
   * Refuses by an Error with `code` and `httpStatus`; any other error is an internal fault.
   */
  handle(call: Call): Promise<unknown>;
}

/** Answers a plain HTTP request that is no API call. */
export type PlainRoute = (
  request: IncomingMessage,
  response: ServerResponse,
  origin: Origin,
) => void | Promise<void>;

export interface ApiOptions {
  readonly backend: ServiceBackend;
  readonly authenticator: Authenticator;
  /** The wall clock, in milliseconds since 1970: signatures are held against it. */
  readonly now: () => number;
  /** The clock by which temporary keys expire, where it is another one. */
  readonly regionNow?: () => number;
  readonly newRequestId: () => string;
  readonly strictAuth: boolean;
  /** 'GET /path' → its answer; a key that ends in '/*' takes every path below. */
  readonly routes?: Readonly<Record<string, PlainRoute>>;
  /** Takes one line for each internal fault, with its cause chain and request id. */
  readonly log: (line: string) => void;
  /** For requests that name no region, which only unsigned ones can. */
  readonly defaultRegion?: string;
  readonly maxBodyBytes?: number;
}

export type ApiHandler = (request: IncomingMessage, response: ServerResponse, origin: Origin) => void;

/** Query services refuse larger requests. */
const MAX_BODY_BYTES = 1024 * 1024;

const FORM = 'application/x-www-form-urlencoded';

/** Server settings under which no client can hold a connection without sending its request. */
export const API_SERVER_SETTINGS = {
  requestTimeout: 30_000,
  headersTimeout: 10_000,
  keepAliveTimeout: 20_000,
  connectionsCheckingInterval: 5_000,
} as const;

export function createApiHandler(options: ApiOptions): ApiHandler {
  return (request, response, origin) => {
    const exchange = new Exchange(options, request, response, origin);
    exchange.run().catch((error: unknown) => exchange.fail(error));
  };
}

/** One request and its answer. */
class Exchange {
  private readonly options: ApiOptions;
  private readonly request: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly origin: Origin;
  private readonly requestId: string;
  /** Known as soon as the service is; errors before that are told in the query protocol's form. */
  private protocol: Protocol = protocolNamed('awsQuery');
  private model: ServiceModel | undefined;
  private what = 'request';

  constructor(options: ApiOptions, request: IncomingMessage, response: ServerResponse, origin: Origin) {
    this.options = options;
    this.request = request;
    this.response = response;
    this.origin = origin;
    this.requestId = options.newRequestId();
  }

  async run(): Promise<void> {
    const target = this.request.url ?? '/';
    const [path, queryString = ''] = splitTarget(target);
    const plain = this.plainRoute(path);
    if (plain !== undefined) return plain(this.request, this.response, this.origin);
    try {
      const query = parseForm(queryString);
      const headers = this.request.headersDistinct;
      const reading = readSignature(headers, query);
      if ('signature' in reading) this.protocol = protocolOfScope(reading.signature.scope) ?? this.protocol;
      const body = await readBody(this.request, this.options.maxBodyBytes ?? MAX_BODY_BYTES);
      if (body === 'aborted') return;
      if (body === 'too large') throw this.tooLarge();
      const method = this.request.method ?? 'GET';
      await this.answer({ method, target, headers, body }, path, query, reading);
    } catch (error) {
      this.fail(error);
    }
  }

  private async answer(
    signed: SignedRequest,
    path: string,
    query: readonly Pair[],
    reading: SignatureReading,
  ): Promise<void> {
    const signature = 'signature' in reading ? reading.signature : undefined;
    const parameters = [...query, ...parseForm(formText(signed))].filter(([name]) => !isOfSignature(name));
    const routed = route(signature?.scope.service, signed.headers, parameters);
    const { action, version } = routed;
    if (routed.model !== undefined) {
      this.model = routed.model;
      this.protocol = protocolNamed(routed.model.protocol);
      this.what = `${routed.model.service}:${action}`;
    }
    const operation = routed.model?.operation(action);
    const principal = this.authenticate(signed, reading, operation);
    if (routed.problem !== undefined) throw this.protocol.refuse(routed.problem);
    const { model } = routed;
    this.checkMethod(signed.method, path);
    if (action === '') throw this.refuse({ kind: 'no action' });
    if (!model.hasOperation(action)) throw this.refuse({ kind: 'unknown action', action, version });
    if (operation === undefined || !this.options.backend.serves(model.service, action)) {
      throw this.refuse({ kind: 'not served', what: `${model.service}:${action}` });
    }
    const wireRequest = {
      ...signed,
      path,
      parameters: parameters.filter(([name]) => name !== 'Action' && name !== 'Version'),
    };
    const output = await this.options.backend.handle({
      service: model.service,
      operation: action,
      input: this.protocol.decode(wireRequest, operation, model),
      region: signature?.scope.region ?? this.options.defaultRegion ?? 'us-east-1',
      requestId: this.requestId,
      principal,
      origin: this.origin,
    });
    this.send(this.protocol.encode(output, { model, operation, requestId: this.requestId }));
  }

  private authenticate(
    signed: SignedRequest,
    reading: SignatureReading,
    operation: OperationModel | undefined,
  ): Principal | undefined {
    if ('problem' in reading) {
      if (reading.problem === 'incomplete') {
        throw this.refuse({ kind: 'incomplete signature', detail: reading.detail });
      }
      if (operation?.unsigned === true && this.origin === 'loopback' && !fromForeignPage(this.request)) {
        return undefined;
      }
      throw this.refuse({ kind: 'no credentials' });
    }
    const policy: CallerPolicy = {
      origin: this.origin,
      strictAuth: this.options.strictAuth,
      fromForeignPage: fromForeignPage(this.request),
    };
    const { now, regionNow = now, authenticator } = this.options;
    const result = authenticate(signed, reading.signature, policy, authenticator, { now, regionNow });
    if ('problem' in result) throw this.refuse(result.problem);
    return result.principal;
  }

  private checkMethod(method: string, path: string): void {
    if (path !== '/') throw new WireError('NotFound', `There is nothing at ${path}`, 404);
    const { methods } = this.protocol;
    if (!methods.includes(method)) {
      this.response.setHeader('Allow', methods.join(', '));
      throw new WireError('MethodNotAllowed', `The method ${method} is not allowed here`, 405);
    }
  }

  private plainRoute(path: string): PlainRoute | undefined {
    const { routes = {} } = this.options;
    const wanted = `${this.request.method} ${path}`;
    if (Object.hasOwn(routes, wanted)) return routes[wanted];
    const below = Object.keys(routes).find(
      (key) => key.endsWith('/*') && wanted.startsWith(key.slice(0, -1)),
    );
    return below === undefined ? undefined : routes[below];
  }

  private refuse(problem: Problem): ServiceError {
    return this.protocol.refuse(problem);
  }

  private tooLarge(): ServiceError {
    this.response.setHeader('Connection', 'close');
    const limit = this.options.maxBodyBytes ?? MAX_BODY_BYTES;
    return new WireError('RequestEntityTooLarge', `The request is larger than ${limit} bytes`, 413);
  }

  /** The answer to whatever was thrown. Never throws itself. */
  fail(thrown: unknown): void {
    let error: ServiceError;
    if (isServiceError(thrown)) error = thrown;
    else {
      this.options.log(`${this.requestId} ${this.what} failed: ${causeChain(thrown)}`);
      error = this.protocol.refuse({ kind: 'internal fault' });
    }
    this.send(this.encodeError(error));
  }

  private encodeError(error: ServiceError): WireResponse {
    const type = this.request.headers['content-type'] ?? '';
    if (this.model !== undefined || !type.includes('json')) {
      return this.protocol.encodeError(error, this.requestId, this.model);
    }
    // A form that clients of the JSON protocols can read, for services that are not here yet.
    return {
      ...protocolNamed('awsJson1_1').encodeError(error, this.requestId, undefined),
      contentType: type,
    };
  }

  private send({ status, contentType, body }: WireResponse): void {
    const { response } = this;
    if (response.headersSent || response.destroyed) {
      response.end();
      return;
    }
    response.writeHead(status, {
      'Content-Type': contentType,
      'Content-Length': Buffer.byteLength(body),
      'x-amzn-RequestId': this.requestId,
    });
    // As text, head and body leave in one write.
    response.end(this.request.method === 'HEAD' ? undefined : body, 'utf8');
  }
}

/** The body, where it is a form; a client of a JSON or REST protocol sends something else. */
function formText({ method, headers, body }: SignedRequest): string {
  const type = headers['content-type']?.[0] ?? FORM;
  return method === 'POST' && type.toLowerCase().startsWith(FORM) ? body.toString('utf8') : '';
}

/** Parameters that carry the signature of a presigned request and belong to no operation. */
function isOfSignature(name: string): boolean {
  return /^x-amz-/i.test(name);
}

/** One line: each error's stack, then its cause's. */
function causeChain(thrown: unknown): string {
  const links: string[] = [];
  let current = thrown;
  while (current !== undefined && current !== null && links.length < 10) {
    links.push(
      current instanceof Error ? (current.stack ?? `${current.name}: ${current.message}`) : String(current),
    );
    current = current instanceof Error ? current.cause : undefined;
  }
  return links.map((link) => link.replaceAll(/\s*\n\s*/g, ' | ')).join(' || caused by ');
}
