/**
 * Request headers of the lean path: a flat list `[name, value, …]` that puts on the wire what Node's fetch puts there, in its order:
 * the caller's own, `content-type` of a text body, then what fetch adds where the caller said nothing.
 * A header that fetch would correct, combine, refuse or act upon makes the request not lean.
 */

/** Bits of the headers that fetch adds unless the caller gave them. */
const contentType = 1;
const accept = 2;
const acceptLanguage = 4;
const userAgent = 8;
const acceptEncoding = 16;
/** Not for the lean path. */
const refused = 32;

const special = new Map<string, number>([
  ['content-type', contentType],
  ['accept', accept],
  ['accept-language', acceptLanguage],
  ['user-agent', userAgent],
  ['accept-encoding', acceptEncoding],
  // Framing and connection: undici or fetch drops, checks or obeys them.
  ...refuse('connection content-length expect host keep-alive proxy-connection te trailer transfer-encoding upgrade'),
  // fetch changes its own headers or its caching because of them.
  ...refuse('if-match if-modified-since if-none-match if-range if-unmodified-since range sec-fetch-mode __proto__'),
]);

function refuse(names: string): readonly (readonly [string, number])[] {
  return names.split(' ').map((name) => [name, refused]);
}

interface HeaderName {
  readonly lower: string;
  /** Differs from `lower`, so that two keys of one object may be the same header. */
  readonly mixedCase: boolean;
  readonly kind: number;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Values that fetch sends as they are: printable ASCII, no white space at the ends. */
const plainValue = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;

/** Names seen before. Programs use few; it stops growing at a bound, because some make names up. */
const knownNames = new Map<string, HeaderName>();
const knownNamesMax = 1000;

function headerName(name: string): HeaderName {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  const kind = token.test(name) ? (special.get(lower) ?? 0) : refused;
  const entry: HeaderName = { lower, mixedCase: lower !== name, kind };
  if (knownNames.size < knownNamesMax) knownNames.set(name, entry);
  return entry;
}

// Node 24 brings undici 7; undici 8 offers zstd as well. The contract test compares with the running Node.
const tlsEncodings =
  Number.parseInt(process.versions['undici'] ?? '8', 10) >= 8 ? 'br, gzip, deflate, zstd' : 'br, gzip, deflate';

/** What fetch offers to decode. More over TLS, as browsers do. */
function defaultEncodings(origin: string): string {
  return origin.startsWith('https:') ? tlsEncodings : 'gzip, deflate';
}

function withoutOwn(textBody: boolean, origin: string): string[] {
  const encodings = defaultEncodings(origin);
  return textBody
    ? [
        'content-type',
        'text/plain;charset=UTF-8',
        'accept',
        '*/*',
        'accept-language',
        '*',
        'sec-fetch-mode',
        'cors',
        'user-agent',
        'node',
        'accept-encoding',
        encodings,
      ]
    : ['accept', '*/*', 'accept-language', '*', 'sec-fetch-mode', 'cors', 'user-agent', 'node', 'accept-encoding', encodings];
}

/** The wire headers for `init.headers`, or undefined when only Node's fetch can judge them. */
export function leanHeaders(own: unknown, textBody: boolean, origin: string): string[] | undefined {
  if (own === undefined) return withoutOwn(textBody, origin);
  if (!isPlainObject(own)) return undefined;
  const names = Object.keys(own);
  if (Object.getOwnPropertySymbols(own).length > 0) return undefined;
  const headers: string[] = [];
  let given = 0;
  let mixedCase = false;
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const entry = headerName(name);
    if (entry.kind === refused) return undefined;
    mixedCase ||= entry.mixedCase;
    if (mixedCase && isRepeated(headers, entry.lower)) return undefined;
    const value = own[name];
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text !== 'string' || !plainValue.test(text)) return undefined;
    given |= entry.kind;
    headers.push(name, text);
  }
  if (textBody && (given & contentType) === 0) headers.push('content-type', 'text/plain;charset=UTF-8');
  if ((given & accept) === 0) headers.push('accept', '*/*');
  if ((given & acceptLanguage) === 0) headers.push('accept-language', '*');
  headers.push('sec-fetch-mode', 'cors');
  if ((given & userAgent) === 0) headers.push('user-agent', 'node');
  if ((given & acceptEncoding) === 0) headers.push('accept-encoding', defaultEncodings(origin));
  return headers;
}

/** Whether the header `lower` is in the flat list under any spelling. */
function isRepeated(headers: readonly string[], lower: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headerName(headers[i]!).lower === lower) return true;
  return false;
}

/** The flat list without the headers that `drop` names in lower case; the list itself when it has none of them. */
export function headersWithout(headers: string[], drop: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (!drop.has(name.toLowerCase())) kept.push(name, headers[i + 1]!);
  }
  return kept.length === headers.length ? headers : kept;
}

/** The flat list for another origin: what fetch offers to decode depends on the scheme, unless the caller said it. */
export function headersForOrigin(headers: string[], origin: string): string[] {
  const index = headers.lastIndexOf('accept-encoding');
  // The caller's own stands before `sec-fetch-mode`, the default after it.
  if (index < headers.indexOf('sec-fetch-mode') || headers[index + 1] === defaultEncodings(origin)) return headers;
  return headers.with(index + 1, defaultEncodings(origin));
}

/** An object literal or one without a prototype: its keys are what it says and reading it has no surprises. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
