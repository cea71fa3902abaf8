/**
 * A refusal in AWS's terms. Backends need not throw this very class: any `Error` with a string `code` and a
 * number `httpStatus` (400 to 599) is taken for one (`isServiceError`), so that domain code needs nothing of this package.
 */
export interface ServiceError extends Error {
  readonly code: string;
  readonly httpStatus: number;
  readonly fault?: 'Sender' | 'Receiver';
  /** Further members of the error's shape. */
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

export class WireError extends Error implements ServiceError {
  readonly code: string;
  readonly httpStatus: number;

  constructor(code: string, message: string, httpStatus = 400) {
    super(message);
    this.name = code;
    this.code = code;
    this.httpStatus = httpStatus;
  }
}

export function isServiceError(error: unknown): error is ServiceError {
  if (!(error instanceof Error)) return false;
  const { code, httpStatus } = error as Partial<ServiceError>;
  return typeof code === 'string' && Number.isInteger(httpStatus) && httpStatus! >= 400 && httpStatus! < 600;
}

/** Whose fault it is, by the error's own word or else by its status. */
export function faultOf(error: ServiceError): 'Sender' | 'Receiver' {
  return error.fault ?? (error.httpStatus >= 500 ? 'Receiver' : 'Sender');
}
