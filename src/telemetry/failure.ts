import { SpanStatusCode } from '@opentelemetry/api';
import type { Span } from '@opentelemetry/api';
import { errorTable } from '../base/errors.ts';
import type { FailureType } from './events.ts';

/** Envoy response flags of a failure, without what only the request as a whole can know (`URX`). */
export function flagsOf(error: FailureType | undefined): string {
  if (error === undefined) return '-';
  return error === 'cancelled' ? 'DC' : errorTable[error].flag;
}

/** Envoy response code details of a failure; `via_upstream` when the response is the endpoint's own. */
export function detailsOf(error: FailureType | undefined): string {
  if (error === undefined) return 'via_upstream';
  return error === 'cancelled' ? 'downstream_remote_disconnect' : errorTable[error].details;
}

/** `error.type`: the error, or the status from 400 on, or undefined. Source: semantic conventions for HTTP spans, note 5. */
export function errorType(error: FailureType | undefined, status: number | undefined): string | undefined {
  return error ?? (status !== undefined && status >= 400 ? String(status) : undefined);
}

/**
 * Marks a span as failed. No description where the status code says it all. Source: semantic conventions for HTTP spans, "Status".
 */
export function setFailure(span: Span, failure: string, error: FailureType | undefined, reason: string | undefined): void {
  span.setAttribute('error.type', failure);
  const message = reason ?? error;
  span.setStatus(message === undefined ? { code: SpanStatusCode.ERROR } : { code: SpanStatusCode.ERROR, message });
}
