/**
 * Redirects of endpoints that are followed on behalf of the caller, to routes of the same source alone. Source: Envoy
 * `InternalRedirectPolicy`; its predicates are `avoidPreviousRoutes`, `allowedRoutes`, and the `safe` of `crossScheme`.
 */
export interface InternalRedirectConfig {
  /** For one request. Default 1 (Envoy); what is redirected more often gets the redirect. */
  readonly maxRedirects?: number;
  /** Default 302 alone (Envoy). */
  readonly statuses?: readonly number[];
  /** Whether http may lead to https and the other way round; `safe` = only from https to http. Default never. */
  readonly crossScheme?: 'never' | 'safe' | 'always';
  /** They replace those of the request; one that the response does not have is taken away. Lower case. */
  readonly responseHeadersToCopy?: readonly string[];
  /** Never from the same route to the same route twice. */
  readonly avoidPreviousRoutes?: boolean;
  /** Only to routes of these names. */
  readonly allowedRoutes?: readonly string[];
}
