import type { AttemptFacts } from '../../../src/telemetry/attempt-span.ts';
import type { RequestFacts } from '../../../src/telemetry/request-span.ts';

/** GET http://orders/api/42?token=s3cret, or what `changes` make of it. */
export function someRequest(changes: Partial<RequestFacts> = {}): RequestFacts {
  return {
    method: 'GET',
    scheme: 'http',
    host: 'orders',
    port: 80,
    path: '/api/42?token=s3cret',
    headers: undefined,
    ...changes,
  };
}

/** An attempt at 192.0.2.7:7002 of the cluster `orders/v2`. */
export function someAttempt(number: number, changes: Partial<AttemptFacts> = {}): AttemptFacts {
  return { number, address: '192.0.2.7', port: 7002, endpoint: '192.0.2.7:7002', cluster: 'orders/v2', ...changes };
}
