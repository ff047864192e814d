import { LRUCache } from 'lru-cache';

/** Where a request goes: `origin` as `URL#origin` has it, `path` with the query, without the fragment. `origin + path` is `Response#url`. */
export interface LeanUrl {
  readonly origin: string;
  readonly path: string;
}

/** Ports that fetch refuses. Source: Fetch standard, "bad port". */
const badPorts = new Set(
  (
    '1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 143 161 179 389 ' +
    '427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 ' +
    '6566 6665 6666 6667 6668 6669 6679 6697 10080'
  ).split(' '),
);

/** Whether fetch refuses to connect to the port of `url`. */
export function hasBadPort(url: URL): boolean {
  return badPorts.has(url.port);
}

/** Scheme and authority in characters that can be looked up as they stand: no user, no backslash, no control character. */
const plainAuthority = /^https?:\/\/[\w.\-:[\]]+$/;

/** Path and query in characters that the URL parser leaves alone; dot segments are looked for apart. Source: URL standard, percent-encode sets. */
const plainTarget = /^[\w\-.~!$&()*+,;=:@%/?]+$/;

/** `http://host:port` as written → `URL#origin`. Parsing costs 300–500 ns, and programs call few hosts. */
const origins = new LRUCache<string, string>({ max: 1000 });

/**
 * The URL of a request, or undefined where fetch would refuse it or would not send it over HTTP.
 * The common form is read by hand; every other form goes through `new URL`, with the same result.
 */
export function leanUrl(input: string): LeanUrl | undefined {
  const pathStart = input.indexOf('/', 8);
  if (pathStart > 0) {
    const origin = originOf(input.slice(0, pathStart));
    if (origin !== undefined) {
      const fragmentStart = input.indexOf('#', pathStart);
      const path = fragmentStart === -1 ? input.slice(pathStart) : input.slice(pathStart, fragmentStart);
      if (plainTarget.test(path) && !path.includes('/.') && !path.includes('/%2')) return { origin, path };
    }
  }
  return parsedUrl(input);
}

function originOf(authority: string): string | undefined {
  const known = origins.get(authority);
  if (known !== undefined) return known;
  if (!plainAuthority.test(authority)) return undefined;
  const url = URL.parse(authority);
  if (url === null || hasBadPort(url)) return undefined;
  origins.set(authority, url.origin);
  return url.origin;
}

function parsedUrl(input: string): LeanUrl | undefined {
  const url = URL.parse(input);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  if (url.username !== '' || url.password !== '' || hasBadPort(url)) return undefined;
  return leanUrlFrom(url);
}

/** The same from a parsed HTTP(S) URL without credentials. */
export function leanUrlFrom(url: URL): LeanUrl {
  const { href, origin } = url;
  const fragmentStart = href.indexOf('#');
  return { origin, path: href.slice(origin.length, fragmentStart === -1 ? undefined : fragmentStart) };
}
