/**
 * AWS's protocols: bytes to typed calls and back, from the models in `models/`, which `generator/` writes. Knows
 * no service's meaning. A request goes: `handler.ts` → `route.ts` (which service) → `authenticate.ts`, `sigv4.ts`
 * (who calls) → `protocols/` (decode, check against the model) → the backend → `protocols/` (encode).
 *
 * To add a service: one line in `generator/services.ts`. To add a protocol: one file in `protocols/` and one line
 * in `protocols/protocol.ts`.
 */
export {
  type Authenticator,
  acceptsUnknownKeys,
  type CallerPolicy,
  type IssuedKey,
  type Origin,
  type Principal,
} from './authenticate.ts';
export { isServiceError, type ServiceError, WireError } from './errors.ts';
export {
  API_SERVER_SETTINGS,
  type ApiHandler,
  type ApiOptions,
  type Call,
  createApiHandler,
  type PlainRoute,
  type ServiceBackend,
} from './handler.ts';
export { loadModel, SERVICES, type ServiceModel } from './model.ts';
