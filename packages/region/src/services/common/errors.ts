/**
 * A user's mistake, or a limit of Holdfast, in AWS's own words. Domain code throws these and never sees XML or HTTP;
 * each service keeps its codes in one table, its `errors.ts`.
 */
export class AwsError extends Error {
  /** AWS's error code as clients match it, such as `InvalidInstanceID.NotFound`. */
  readonly code: string;
  readonly httpStatus: number;

  constructor(code: string, message: string, httpStatus = 400) {
    super(message);
    this.name = 'AwsError';
    this.code = code;
    this.httpStatus = httpStatus;
  }

  /** Who is at fault: the caller below 500, the region from there on. */
  get fault(): 'Sender' | 'Receiver' {
    return this.httpStatus < 500 ? 'Sender' : 'Receiver';
  }
}

/** What AWS has and Holdfast has not is refused by name, never ignored. */
export const unsupported = (what: string): AwsError =>
  new AwsError('UnsupportedOperation', `Holdfast does not support ${what}.`);

/**
 * Refuses parameters that would change behaviour and are not implemented. `undefined`, `false`, `''` (as Terraform's
 * provider sends what its user left out) and `[]` change nothing.
 */
export function refuseParameters(operation: string, input: object, names: readonly string[]): void {
  for (const name of names) {
    const value = (input as Record<string, unknown>)[name];
    if (value === undefined || value === false || value === '') continue;
    if (Array.isArray(value) && value.length === 0) continue;
    throw unsupported(`the parameter ${name} of ${operation}`);
  }
}
