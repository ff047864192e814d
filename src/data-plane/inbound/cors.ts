/**
 * Requests from pages of other origins. A preflight of an origin that is allowed is answered here, any other request goes on and its
 * response says what the page may read; a request of an origin that is not allowed goes on without a word, and the browser keeps its
 * response from the page. Source: the Fetch standard, "CORS protocol"; Envoy's cors filter.
 */
import type { CorsConfig } from '../../model/policy.ts';
import { compileString } from '../routing/match-value.ts';

type Pairs = readonly (readonly [name: string, value: string])[];

/** What is read of a request. */
export interface CorsRequest {
  readonly method: string;
  header(name: string): string | readonly string[] | undefined;
}

/** A compiled policy. */
export interface Cors {
  /** Headers of the answer to a preflight that is allowed (200, no body); undefined = the request is another one. */
  preflight(request: CorsRequest): Pairs | undefined;
  /** Headers of the response to a request of an origin that is allowed. */
  responseHeaders(request: CorsRequest): Pairs;
}

const none: Pairs = [];

/** Compiles the policy of a route. */
export function compileCors(config: CorsConfig): Cors {
  const { allowMethods = [], allowHeaders = [], exposeHeaders = [], maxAgeMs, allowCredentials = false } = config;
  const tests = config.allowOrigins.map(compileString);
  const ofPreflight: Pairs = [
    ...listed('access-control-allow-methods', allowMethods),
    ...listed('access-control-allow-headers', allowHeaders),
    ...(maxAgeMs === undefined ? [] : [['access-control-max-age', String(Math.floor(maxAgeMs / 1000))] as const]),
  ];
  const ofResponse: Pairs = listed('access-control-expose-headers', exposeHeaders);

  /** The origin itself and never `*`: with credentials a browser takes nothing else. */
  const allowing = (origin: string): Pairs => [
    ['access-control-allow-origin', origin],
    ...(allowCredentials ? [['access-control-allow-credentials', 'true'] as const] : []),
    // What is kept of the answer is for this origin.
    ['vary', 'origin'],
  ];
  const allowedOrigin = (request: CorsRequest): string | undefined => {
    const origin = request.header('origin');
    return typeof origin === 'string' && origin !== '' && tests.some((test) => test(origin)) ? origin : undefined;
  };

  return {
    preflight(request) {
      if (request.method !== 'OPTIONS') return undefined;
      const method = request.header('access-control-request-method');
      if (method === undefined || method === '') return undefined;
      const origin = allowedOrigin(request);
      return origin === undefined ? undefined : [...allowing(origin), ...ofPreflight];
    },
    responseHeaders(request) {
      const origin = allowedOrigin(request);
      return origin === undefined ? none : [...allowing(origin), ...ofResponse];
    },
  };
}

function listed(name: string, values: readonly string[]): Pairs {
  return values.length === 0 ? [] : [[name, values.join(',')]];
}
