/** Methods of RFC 9110, and PATCH of RFC 5789: the default list of the semantic conventions. */
const standardMethods = ['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'];

/**
 * The methods that metrics and spans name; any other becomes `_OTHER`, so that a caller cannot make labels at will.
 * `override` is the value of `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`: comma separated, replaces the list, case-sensitive.
 */
export function createKnownMethods(override: string | undefined): ReadonlySet<string> {
  const names = override?.split(',').map((name) => name.trim());
  return new Set(names?.some((name) => name !== '') ? names : standardMethods);
}

/** `http.request.method` for a method as the caller wrote it. Source: semantic conventions for HTTP spans, note 1. */
export function methodLabel(known: ReadonlySet<string>, method: string): string {
  if (known.has(method)) return method;
  // Undici and fetch send `get` as GET.
  const upper = method.toUpperCase();
  return known.has(upper) ? upper : '_OTHER';
}
