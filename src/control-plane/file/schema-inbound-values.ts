/**
 * The single values of `inbound`. Wildcards are Istio's: a `*` at the beginning or the end, or alone for "whatever there is". In any
 * other place it would be compared as a star, so that a DENY never holds: it is refused.
 */
import { isIP } from 'node:net';
import * as v from 'valibot';
import { patternFromPathTemplate } from '../../base/path-template.ts';
import { isTrustDomain, parseSpiffeId, spiffeIdProblem } from '../../security/spiffe-id.ts';
import { isDomain, isHostName } from './address.ts';
import { text } from './schema-values.ts';

/** A text whose mistake is told in the words of `mistakeOf`. */
function textWithout(expected: string, mistakeOf: (value: string) => string | undefined) {
  return v.pipe(
    text(expected),
    v.check(
      (value) => mistakeOf(value) === undefined,
      ({ input }) => `${expected}: ${mistakeOf(input)}`,
    ),
  );
}

const misplaced = 'a `*` stands at the beginning or the end only, once';

/** A text with a `*` at one of its ends, or without one. */
export function wildcardText(expected = 'a text, with `*` at its beginning or end where any text may stand') {
  return textWithout(expected, (value) => (hasMisplacedStar(value) ? misplaced : undefined));
}

function hasMisplacedStar(value: string): boolean {
  return value !== '*' && value.replace(/^\*|\*$/, '').includes('*');
}

/** A name of a peer: SPIFFE ID or DNS name, with a `*` where others may stand; alone it means every peer with a certificate. */
export function identityPattern(lone: 'any' | 'refused' = 'any') {
  const expected = 'a SPIFFE ID such as spiffe://example.org/ns/shop/sa/web or spiffe://example.org/*, or a DNS name';
  return textWithout(expected, (value) => identityMistake(value, lone));
}

function identityMistake(value: string, lone: 'any' | 'refused'): string | undefined {
  if (value === '*') return lone === 'any' ? undefined : 'it would mean everybody; write spiffe://<trust domain>/*';
  if (hasMisplacedStar(value)) return misplaced;
  if (value.endsWith('*')) {
    const [, domain = '', rest] = /^spiffe:\/\/([^/]*)(\/.*)?\*$/.exec(value) ?? [];
    // `spiffe://example.org*` would let in spiffe://example.org.evil.example/….
    return rest !== undefined && isTrustDomain(domain)
      ? undefined
      : 'a `*` at the end stands after the whole trust domain: spiffe://example.org/*';
  }
  if (value.startsWith('*')) return suffixMistake(value.slice(1));
  if (value.startsWith('spiffe:')) {
    const problem = spiffeIdProblem(value);
    return problem ?? (parseSpiffeId(value).path === '' ? 'it has no path; for the whole trust domain add /*' : undefined);
  }
  if (value.includes('/')) return `it has no scheme; write spiffe://${value.replace(/^\/+/, '').slice(0, 100)}`;
  return isHostName(value) ? undefined : 'it is neither';
}

function suffixMistake(rest: string): string | undefined {
  const isPath = rest.startsWith('/') && spiffeIdProblem(`spiffe://x${rest}`) === undefined;
  const isParent = rest.startsWith('.') && isHostName(rest.slice(1));
  return isPath || isParent ? undefined : 'after a `*` comes a whole part: */sa/web or *.example.org';
}

/** An IP address, or a range of them. */
export function addressRange() {
  const expected = 'an IP address or a range such as 10.0.0.0/8 or fd00::/8';
  return v.pipe(
    v.string(expected),
    v.check((value) => cidrFromText(value) !== undefined, expected),
  );
}

/** The range that a text means, an address alone being one of itself. */
export function cidrFromText(value: string): string | undefined {
  const [address = '', bits, ...rest] = value.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return undefined;
  const most = family === 4 ? 32 : 128;
  if (bits === undefined) return `${address}/${most}`;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= most ? value : undefined;
}

/** A path of a rule: itself, with a `*` at an end, or a template with `{*}` and `{**}`. */
export function pathPattern() {
  const expected = 'a path such as /orders, /orders/* or /orders/{*}/lines';
  return textWithout(expected, (value) => {
    if (/[?#]/.test(value)) return 'the query is not looked at; leave ? and # out';
    const never = neverInPath(value);
    if (never !== undefined) return never;
    if (value.includes('{')) return templateMistake(value);
    if (hasMisplacedStar(value)) return `${misplaced}; one segment in the middle is {*}`;
    return value.startsWith('/') || value.startsWith('*') ? undefined : 'it begins with / or with a `*`';
  });
}

/** What no path has when rules look at it, so that a DENY would never hold. Escapes are brought into the form of paths elsewhere. */
function neverInPath(value: string): string | undefined {
  if (/[^\x21-\x7e]/.test(value)) return 'blanks and letters beyond ASCII are escaped in a path; write %20 and so on';
  if (value.includes('\\')) return 'a backslash becomes a slash before rules look at a path';
  if (value.includes('//')) return 'slashes are merged before rules look at a path; write one';
  if (/(^|\/)\.{1,2}(\/|$)/.test(value))
    return '. and .. are resolved before rules look at a path; write the path that they lead to';
  return undefined;
}

/** The template of a path pattern that has braces, in the words of the model. */
export function templateFromPattern(pattern: string): string {
  return pattern.replaceAll('{*}', '*').replaceAll('{**}', '**');
}

function templateMistake(value: string): string | undefined {
  if (value.replaceAll(/\{\*\*?\}/g, '').includes('*')) return 'beside braces a `*` stands in them only: {*} or {**}';
  try {
    patternFromPathTemplate(templateFromPattern(value));
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return error.message;
  }
}

/** A path that a probe asks for. */
export function probePath() {
  const expected = 'a path such as /healthz, without wildcards';
  return v.pipe(text(expected), v.regex(/^\/[^?#*{}\s]*$/, expected));
}

/** A host of a rule. Without a port it means every port. */
export function hostPattern() {
  const expected = 'a host such as orders.example.org, orders:8080, *.example.org or *, without a scheme or path';
  return v.pipe(
    v.string(expected),
    v.check((value) => isDomain(value), expected),
  );
}

/** A method, or the beginning or end of one. */
export function methodPattern() {
  const expected = 'a method in capitals such as GET, or *';
  return v.pipe(v.string(expected), v.regex(/^(?:\*|[A-Z][A-Z-]*\*?|\*[A-Z-]+)$/, expected));
}

/** `namespace/service-account`, or the name of a service account of any namespace. */
export function serviceAccount() {
  const expected = 'namespace/name of a service account, such as shop/web';
  return v.pipe(v.string(expected), v.regex(/^[a-z0-9][a-z0-9.-]*\/[a-z0-9][a-z0-9.-]*$/, expected));
}

/** The name that a refusal and its metrics have. */
export function ruleName() {
  const expected = 'a name of letters, digits, - . _ and /, at most 100 characters';
  return v.pipe(v.string(expected), v.regex(/^[\w./-]{1,100}$/, expected));
}
