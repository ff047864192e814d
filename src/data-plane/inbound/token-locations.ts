/**
 * Where requests carry tokens. Headers come first, then parameters of the query, then cookies, each by name, as in Envoy. Every value of
 * every place is taken, and all of them have to be good: the handler may read another than the one that was verified here.
 */
import type { JwtProviderConfig } from '../../model/authorization.ts';
import { joinedRequestHeaders } from '../routing/joined-headers.ts';
import type { AccessRequest } from './access-request.ts';

/** A place of tokens. */
export interface TokenLocation {
  readonly kind: 'header' | 'query' | 'cookie';
  /** Of headers in lower case. */
  readonly name: string;
  /** What comes before the token in a header. */
  readonly prefix: string;
  /** Its name among the places that are taken. */
  readonly place: string;
  /** Whose tokens may be there; undefined = anybody's. */
  readonly issuers: ReadonlySet<string> | undefined;
}

/** A token of a request. */
export interface FoundToken {
  readonly text: string;
  readonly location: TokenLocation;
}

/** Names of places that a verified token was taken out of, which are empty for what is looked for later. */
export type TakenPlaces = readonly string[];

/** Where a provider that names no place is looked for (RFC 6750, section 2.1); Envoy's parameter of the query is named by who wants it. */
const defaultHeaders = [{ name: 'authorization', prefix: 'Bearer ' }];

/** The places of these providers, in the order in which they are read. */
export function compileLocations(providers: readonly JwtProviderConfig[]): readonly TokenLocation[] {
  const places = new Map<string, TokenLocation>();
  const add = (kind: TokenLocation['kind'], name: string, prefix: string, issuer: string | undefined): void => {
    // `header` < `query`, and cookies behind them.
    const key = `${kind === 'cookie' ? 'z' : kind} ${name}${prefix}`;
    const known = places.get(key);
    const isAnybodys = issuer === undefined || (known !== undefined && known.issuers === undefined);
    const issuers = isAnybodys ? undefined : new Set([...(known?.issuers ?? []), issuer]);
    places.set(key, { kind, name, prefix, place: `${kind} ${name}`, issuers });
  };
  for (const provider of providers) {
    const { fromHeaders = [], fromQuery = [], fromCookies = [], issuer } = provider;
    const isDefault = fromHeaders.length + fromQuery.length + fromCookies.length === 0;
    for (const { name, prefix = '' } of isDefault ? defaultHeaders : fromHeaders)
      add('header', name.toLowerCase(), prefix, issuer);
    for (const name of fromQuery) add('query', name, '', issuer);
    for (const name of fromCookies) add('cookie', name, '', issuer);
  }
  const sorted = [...places].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([, location]) => location);
}

/** The tokens of a request, in the order of their places. */
export function findTokens(
  locations: readonly TokenLocation[],
  request: AccessRequest,
  taken: TakenPlaces | undefined,
): readonly FoundToken[] {
  let found: FoundToken[] = none;
  for (const location of locations) {
    if (taken !== undefined && taken.includes(location.place)) continue;
    const values = valuesAt(location, request);
    if (values === undefined) continue;
    if (typeof values === 'string') found = withToken(found, location, values);
    else for (const value of values) found = withToken(found, location, value);
  }
  return found;
}

const none: FoundToken[] = [];

function valuesAt({ kind, name }: TokenLocation, request: AccessRequest): string | readonly string[] | undefined {
  if (kind === 'header') return headerValues(request, name);
  if (kind === 'cookie') return cookieValues(request, name);
  const query = request.path.indexOf('?');
  return query === -1 ? undefined : queryValues(request.path, query, name);
}

/** Values of a header that has only one by its nature are one text, so that two tokens in it are none. */
function headerValues(request: AccessRequest, name: string): string | readonly string[] | undefined {
  const values = request.header(name);
  return typeof values === 'object' && joinedRequestHeaders.has(name) ? values.join(',') : values;
}

function withToken(found: FoundToken[], location: TokenLocation, value: string): FoundToken[] {
  const text = location.kind !== 'header' || location.prefix === '' ? value : textBehind(location.prefix, value);
  if (text === undefined) return found;
  // A list of one is made to its measure: what is pushed makes room for more.
  if (found === none) return [{ text, location }];
  found.push({ text, location });
  return found;
}

/** What follows the prefix; undefined = it is not there. */
function textBehind(prefix: string, value: string): string | undefined {
  const start = value.indexOf(prefix);
  if (start === -1) return undefined;
  const text = value.slice(start + prefix.length);
  const first = tokenCharacter.test(text[0] ?? '') ? 0 : text.search(tokenCharacter);
  return first === -1 ? value : first === 0 ? text : text.slice(first);
}

const tokenCharacter = /[\w.-]/;

/** Parameters of the query, decoded as the handler does. */
function queryValues(path: string, query: number, name: string): readonly string[] | undefined {
  const values: string[] = [];
  for (const pair of path.slice(query + 1).split('&')) {
    const separator = pair.indexOf('=');
    const end = separator === -1 ? pair.length : separator;
    if (decoded(pair.slice(0, end)) === name) values.push(decoded(pair.slice(end + 1)));
  }
  return values.length === 0 ? undefined : values;
}

/** The path without these parameters. */
export function withoutQueryValues(path: string, names: ReadonlySet<string>): string {
  const query = path.indexOf('?');
  if (query === -1) return path;
  const kept = path
    .slice(query + 1)
    .split('&')
    .filter((pair) => !names.has(decoded(pair.split('=', 1)[0]!)));
  return kept.length === 0 ? path.slice(0, query) : `${path.slice(0, query)}?${kept.join('&')}`;
}

function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function cookieValues(request: AccessRequest, name: string): readonly string[] | undefined {
  const headers = request.header('cookie');
  if (headers === undefined) return undefined;
  const values: string[] = [];
  for (const header of typeof headers === 'string' ? [headers] : headers) {
    for (const pair of header.split(';')) {
      const separator = pair.indexOf('=');
      if (separator === -1 || pair.slice(0, separator).trim() !== name) continue;
      const value = pair.slice(separator + 1).trim();
      values.push(value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value);
    }
  }
  return values.length === 0 ? undefined : values;
}
