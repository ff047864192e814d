/** The name of a workload. Source: SPIFFE-ID standard, section 2. */
export interface SpiffeId {
  /** `example.org`. */
  readonly trustDomain: string;
  /** `/ns/shop/sa/orders`; empty for the trust domain itself. */
  readonly path: string;
}

const scheme = 'spiffe://';
const maxBytes = 2048;
const maxTrustDomainBytes = 255;
const trustDomainCharacters = /^[a-z0-9.\-_]+$/;
const segmentCharacters = /^[A-Za-z0-9.\-_]+$/;

/**
 * Takes a SPIFFE ID apart. Throws a TypeError that says what is wrong: nothing is normalised, since identities are compared as
 * exact strings. Source: SPIFFE-ID standard, section 2.
 */
export function parseSpiffeId(text: string): SpiffeId {
  const problem = spiffeIdProblem(text);
  if (problem !== undefined) throw new TypeError(`not a SPIFFE ID: ${problem}`);
  const slash = text.indexOf('/', scheme.length);
  if (slash === -1) return { trustDomain: text.slice(scheme.length), path: '' };
  return { trustDomain: text.slice(scheme.length, slash), path: text.slice(slash) };
}

/** What keeps `text` from being a SPIFFE ID; undefined when it is one. Repeats no part of the text longer than a character. */
export function spiffeIdProblem(text: string): string | undefined {
  if (text.length > maxBytes) return `it is longer than ${maxBytes} bytes`;
  if (!text.startsWith(scheme)) return 'it does not begin with spiffe:// in lower case';
  const slash = text.indexOf('/', scheme.length);
  const trustDomain = slash === -1 ? text.slice(scheme.length) : text.slice(scheme.length, slash);
  if (trustDomain === '') return 'the trust domain is empty';
  if (trustDomain.length > maxTrustDomainBytes) return `the trust domain is longer than ${maxTrustDomainBytes} bytes`;
  if (!trustDomainCharacters.test(trustDomain)) return 'the trust domain has a character outside a-z, 0-9, ".", "-" and "_"';
  if (slash === -1) return undefined;
  for (const segment of text.slice(slash + 1).split('/')) {
    if (segment === '') return 'the path has an empty segment, or ends with "/"';
    if (segment === '.' || segment === '..') return 'the path has a segment "." or ".."';
    if (!segmentCharacters.test(segment)) return 'the path has a character outside A-Z, a-z, 0-9, ".", "-" and "_"';
  }
  return undefined;
}

/** Whether a text is the name of a trust domain: `example.org`. */
export function isTrustDomain(text: string): boolean {
  return !text.includes('/') && spiffeIdProblem(`${scheme}${text}`) === undefined;
}

/** Whether a URI claims to be a SPIFFE ID, well-formed or not. */
export function hasSpiffeScheme(uri: string): boolean {
  return /^spiffe:/i.test(uri);
}
