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
