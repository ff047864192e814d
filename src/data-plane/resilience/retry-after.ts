import type { Clock } from '../../base/runtime.ts';
import { parseHttpDate } from './http-date.ts';
import { responseHeader, type ResponseOutcome } from './outcome.ts';

/**
 * Milliseconds that the `Retry-After` of a response asks for: seconds, or an HTTP-date that is compared with the response's own
 * `Date`, since the two clocks may differ. Undefined without the header, or when it is neither. Source: RFC 9110, section 10.2.3.
 */
export function retryAfterMs(response: ResponseOutcome, clock: Clock): number | undefined {
  const text = responseHeader(response, 'retry-after')?.trim();
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text) * 1000;
  const until = parseHttpDate(text);
  if (until === undefined) return undefined;
  const date = responseHeader(response, 'date');
  const sentAt = date === undefined ? undefined : parseHttpDate(date);
  return Math.max(0, until - (sentAt ?? clock.wallNow()));
}
