/** A string test. Source: Envoy `type.matcher.v3.StringMatcher`, of which the other control planes use a part. */
export type StringMatcher =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'suffix'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'contains'; readonly value: string; readonly ignoreCase?: boolean }
  /** RE2 syntax; the whole string must match. */
  | { readonly kind: 'regex'; readonly value: string }
  /** Always true: the value only has to be there. */
  | { readonly kind: 'present' };

/** A test of the request path, without its query. */
export type PathMatcher =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase?: boolean }
  /** Plain string prefix: `/v2` matches `/v20` too (Envoy `prefix`). */
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase?: boolean }
  /** Whole segments: `/v2` matches `/v2` and `/v2/x`, not `/v20` (Envoy `path_separated_prefix`, Gateway API `PathPrefix`). */
  | { readonly kind: 'segment-prefix'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'regex'; readonly value: string }
  /** `/orders/{id}` (Envoy `UriTemplateMatchConfig`). */
  | { readonly kind: 'template'; readonly value: string };

/**
 * A test of one header, query parameter or cookie. Of a repeated header one value has to match, of a repeated query parameter or
 * cookie the first (Envoy). A missing value never matches, inverted or not, but for `present` with `invert`, for a cookie with
 * `invert`, and for `whenMissing: 'empty'`. Query parameters are compared as they are written: nothing is decoded.
 */
export interface ValueMatcher {
  /** Header names are lower case. `:path`, `:method`, `:scheme` and `:authority` are headers too. */
  readonly name: string;
  readonly match: StringMatcher | { readonly kind: 'range'; readonly start: number; readonly end: number };
  readonly invert?: boolean;
  /** `'empty'` tests a missing value as if it were `''` (Envoy `treat_missing_header_as_empty`). Default `'no-match'`. */
  readonly whenMissing?: 'no-match' | 'empty';
}

/** A share of requests, e.g. 25 of 10 000. */
export interface Fraction {
  readonly numerator: number;
  readonly denominator: 100 | 10_000 | 1_000_000;
  /** Name under which a runtime layer may give another numerator (Envoy `RuntimeFractionalPercent.runtime_key`). */
  readonly runtimeKey?: string;
}

/** A test of a value that an earlier step noted about the request (Envoy `dynamic_metadata`: a claim of a token, for one). */
export interface MetadataMatcher {
  /** Who noted it: the namespace, `envoy.filters.http.jwt_authn` for one. */
  readonly namespace: string;
  /** Keys from the namespace down to the value. */
  readonly path: readonly string[];
  readonly match:
    | StringMatcher
    | { readonly kind: 'range'; readonly start: number; readonly end: number }
    | { readonly kind: 'bool'; readonly value: boolean };
  readonly invert?: boolean;
}

/** The conditions of a route: all of them must hold. `{}` matches every request. */
export interface RouteMatch {
  readonly path?: PathMatcher;
  readonly methods?: readonly string[];
  readonly headers?: readonly ValueMatcher[];
  readonly query?: readonly ValueMatcher[];
  readonly cookies?: readonly ValueMatcher[];
  /** Nothing is noted about a request of this process's own, so a test that is not inverted fails then. */
  readonly metadata?: readonly MetadataMatcher[];
  /** Matches only this share of the requests that pass all other conditions. */
  readonly fraction?: Fraction;
  /** Only requests whose content-type is `application/grpc…`. */
  readonly grpc?: boolean;
  /**
   * A condition that the source asked for and that this model cannot say. The route never matches, so that a
   * restriction is never turned into "match all" (defect D2 of grpc-js-xds; gRFC A28).
   */
  readonly unsupported?: readonly string[];
}
