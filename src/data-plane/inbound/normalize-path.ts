/**
 * One form of the request target for rules, routes and the handler, or a refusal: a rule for `/admin` must hold for `//admin`,
 * `/x/../admin` and `/%61dmin`, and whatever cannot be read in one way alone is not let in.
 *
 * Two sets of rules. A source that says how paths are normalised (Istio does) is obeyed to the letter: same results as Envoy 1.40,
 * asked byte by byte. The mesh's own rules, which hold where nobody says anything, are stricter: all steps are done, what is malformed
 * is refused rather than guessed at, and every escape that a segment does not need is decoded, since routers decode it too.
 *
 * The steps, in Envoy's order: refuse what no URI may contain (control bytes, spaces, bytes beyond ASCII, a fragment) → escaped
 * slashes → parameters of dot segments (`/..;x/`) → one pass that decodes unreserved characters, escapes the unsafe ones and turns
 * `\` into `/` → dot segments → slashes in a row. Nothing is decoded twice: `%252e` stays. The query is not touched.
 *
 * Nearly all paths are plain: they are looked over once, character by character, and returned as they came.
 */
import type { InboundRefusal } from '../../model/inbound.ts';
import type { PathNormalizationConfig } from '../../model/listener.ts';
import { refusal } from './refusal.ts';

/** Normalises a target of a request line, or says how the request is answered. */
export type PathNormalizer = (target: string) => string | InboundRefusal;

/** What holds where no source says anything: the steps are all done, and what is malformed is refused. */
const defaults: PathNormalizationConfig = { normalize: true, mergeSlashes: true, escapedSlashes: 'reject', isStrict: true };

/** Compiles how paths are normalised. Without a config the defaults hold: everything resolved, whatever is ambiguous refused. */
export function compilePathNormalizer(rules: PathNormalizationConfig = defaults): PathNormalizer {
  return (target) => (isPlain(target) ? target : normalizeTarget(target, rules));
}

/** Normalises one target; see {@link compilePathNormalizer}. */
export function normalizePath(target: string, mode?: PathNormalizationConfig): string | InboundRefusal {
  return compilePathNormalizer(mode)(target);
}

/** Path without query. */
export function withoutQuery(path: string): string {
  const at = path.indexOf('?');
  return at === -1 ? path : path.slice(0, at);
}

const slash = 47;
const dot = 46;
const questionMark = 63;

/** Per character of ASCII: 0 = stays as it is wherever it stands, 1 = has to be looked at in a path, 2 = refused everywhere. */
const kinds = new Uint8Array(128);
kinds.fill(2, 0, 0x21);
kinds[0x7f] = 2;
kinds[0x23] = 2; // #
for (const character of '%\\"<>^`{|}') kinds[character.charCodeAt(0)] = 1;

/** Whether no step would change the target. */
function isPlain(target: string): boolean {
  const { length } = target;
  if (length === 0 || target.charCodeAt(0) !== slash) return false;
  let previous = 0;
  for (let index = 0; index < length; index++) {
    const code = target.charCodeAt(index);
    if (code === questionMark) return isCleanFrom(target, index + 1);
    // A segment that begins with a dot may be a dot segment.
    if (previous === slash && (code === slash || code === dot)) return false;
    if (code > 127 || kinds[code] !== 0) return false;
    previous = code;
  }
  return true;
}

/** Whether nothing from there on is refused everywhere. */
function isCleanFrom(target: string, start: number): boolean {
  for (let index = start; index < target.length; index++) {
    const code = target.charCodeAt(index);
    if (code > 127 || kinds[code] === 2) return false;
  }
  return true;
}

function normalizeTarget(target: string, rules: PathNormalizationConfig): string | InboundRefusal {
  if (!isCleanFrom(target, 0)) return badRequest(target.includes('#') ? 'path_with_fragment' : 'invalid_path');
  const relative = originForm(target);
  if (relative === '*') return relative;
  if (relative?.charCodeAt(0) !== slash) return badRequest('invalid_path');
  const queryAt = relative.indexOf('?');
  const query = queryAt === -1 ? '' : relative.slice(queryAt);
  let path = queryAt === -1 ? relative : relative.slice(0, queryAt);
  const isStrict = rules.isStrict === true;
  if (isStrict && hasBadEscape(path)) return badRequest('path_normalization_failed');
  let isRedirected = false;
  if (rules.escapedSlashes !== 'keep' && escapedSlash.test(path)) {
    if (rules.escapedSlashes === 'reject') return badRequest('path_normalization_failed');
    path = path.replaceAll(/%2f/gi, '/').replaceAll(/%5c/gi, '\\');
    isRedirected = rules.escapedSlashes === 'redirect';
  }
  if (rules.normalize) {
    // `/%2e%2e;/` has parameters of a dot segment only for whoever decodes first. Envoy does not.
    path = dropDotParameters(isStrict ? decodeNeedless(path) : path);
    if (path.includes('%00')) return badRequest('path_normalization_failed');
    path = resolveDotSegments(isStrict ? path : decodeOnce(path));
  }
  if (rules.mergeSlashes && path.includes('//')) path = mergeSlashes(path, isStrict);
  return isRedirected ? redirectTo(path + query) : path + query;
}

/** Path and query of an absolute target (RFC 9112, section 3.2.2); undefined when it is of another scheme. */
function originForm(target: string): string | undefined {
  if (target.charCodeAt(0) === slash || target === '*') return target;
  const scheme = /^https?:\/\//i.exec(target)?.[0];
  if (scheme === undefined) return undefined;
  const start = target.slice(scheme.length).search(/[/?\\]/);
  if (start === -1) return '/';
  const rest = target.slice(scheme.length + start);
  return rest.startsWith('?') ? `/${rest}` : rest;
}

const escapedSlash = /%2f|%5c/i;
const badEscape = /%(?![0-9a-f]{2})/i;

/** `%` that no byte follows, or a null byte. */
function hasBadEscape(path: string): boolean {
  return path.includes('%') && (badEscape.test(path) || path.includes('%00'));
}

/** `/..;x=1/` means `/../` to servers that know path parameters. */
function dropDotParameters(path: string): string {
  return path.includes('.;') ? path.replaceAll(/(?<=\/)(\.\.?);[^/]*/g, '$1') : path;
}

/**
 * A path without escapes that it does not need: what may stand in a segment (RFC 3986, `pchar`) is decoded, once, the hexadecimal digits
 * of the others are in upper case. Routers of frameworks take both for one path. A backslash is a slash.
 */
export function decodeNeedless(path: string): string {
  return decodeOnce(path, decodeNeedlessPart);
}

/** Decodes unreserved characters, escapes those that may not stand in a path, and turns backslashes into slashes: in one pass. */
function decodeOnce(path: string, decode = decodePart): string {
  if (!badEscape.test(path)) return path.replaceAll(escaped, decode);
  // A `%` of no escape, followed by what was decoded, must not become one: `%%32e` is no dot.
  const marked = path.replaceAll(/%(?![0-9a-f]{2})/gi, lonePercent).replaceAll(escaped, decode);
  return marked.replaceAll(/ (?=[0-9a-f]{2})/gi, '%25').replaceAll(lonePercent, '%');
}

const escaped = /%[0-9a-f]{2}|[\\"<>^`{|}]/gi;

/** Occurs in no target that gets this far. */
const lonePercent = ' ';

function decodePart(part: string): string {
  return decodedWhere(/[A-Za-z0-9\-._~]/, part) ?? part;
}

function decodeNeedlessPart(part: string): string {
  return decodedWhere(/[A-Za-z0-9\-._~!$&'()*+,;=:@]/, part) ?? part.toUpperCase();
}

function decodedWhere(isPlainHere: RegExp, part: string): string | undefined {
  if (part === '\\') return '/';
  if (part.length === 1) return `%${part.charCodeAt(0).toString(16).toUpperCase()}`;
  const character = String.fromCharCode(Number.parseInt(part.slice(1), 16));
  return isPlainHere.test(character) ? character : undefined;
}

/** RFC 3986, section 5.2.4; never above the root. */
function resolveDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const resolved: string[] = [];
  const segments = path.split('/');
  const last = segments.length - 1;
  for (let index = 1; index <= last; index++) {
    const segment = segments[index]!;
    if (segment === '..') resolved.pop();
    if (segment !== '.' && segment !== '..') resolved.push(segment);
    else if (index === last) resolved.push('');
  }
  return `/${resolved.join('/')}`;
}

/** Of nothing but slashes Envoy leaves two. */
function mergeSlashes(path: string, isStrict: boolean): string {
  if (!isStrict && /^\/+$/.test(path)) return '//';
  return path.replaceAll(/\/{2,}/g, '/');
}

function badRequest(details: string): InboundRefusal {
  return refusal(400, '', { details });
}

/** To the very path that rules would have seen. Two slashes at its start would lead to another host. */
function redirectTo(path: string): InboundRefusal {
  const location = path.replace(/^[/\\]+/, '/');
  return refusal(307, '', { details: 'path_normalization_failed', grpcStatus: 13, headers: { location } });
}
