/**
 * What the caller of this service is told when a call that it made through the mesh failed: the status of the failure and words that say
 * nothing of what is behind this service. The failure itself is in the telemetry.
 */
import { isError } from '../base/is-error.ts';
import { isMeshError, type MeshError } from '../base/errors.ts';

/** An answer to whoever called this service. */
export interface FailureAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly statusCode: number; readonly error: string; readonly message: string };
}

/** Failures after which another try soon makes sense. */
const retryable = new Set([429, 503]);
const words: Readonly<Record<number, string>> = {
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/**
 * The answer for a failed call. What is wrong with this service itself (its configuration, a malformed request that it made) is 500; that
 * a service which it needs does not know, or refuses, its request is 502.
 */
export function failureAnswer(error: MeshError): FailureAnswer {
  const status = statusFor(error);
  const reason = words[status]!;
  return {
    status,
    headers: retryable.has(status) ? { 'retry-after': '1' } : {},
    body: { statusCode: status, error: reason, message: 'a service that is needed for this did not answer' },
  };
}

function statusFor({ status }: MeshError): number {
  if (Object.hasOwn(words, status)) return status;
  return status >= 500 ? 502 : 500;
}

/** The MeshError in what a handler threw: itself, or what `fetch` wrapped. */
export function meshErrorIn(error: unknown): MeshError | undefined {
  if (isMeshError(error)) return error;
  const cause = isError(error) ? error.cause : undefined;
  return isMeshError(cause) ? cause : undefined;
}
