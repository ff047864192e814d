/** Headers that pass between a request and its authorizer: which of them, and whether they may. */
import { compileString, type StringTest } from '../../routing/match-value.ts';
import type { StringMatcher } from '../../../model/match.ts';
import type { InboundRequest } from '../../../model/inbound.ts';

/** Names that any of the matchers takes, in lower case; undefined = no list was given. */
export function compileNames(matchers: readonly StringMatcher[] | undefined): StringTest | undefined {
  if (matchers === undefined) return undefined;
  const tests = matchers.map(compileString);
  return (name) => tests.some((test) => test(name));
}

/** The headers of a request, in lower case; several values of one are joined as RFC 9110 has it, those of `cookie` by `; `. */
export function joinedHeaders({ rawHeaders }: InboundRequest): Map<string, string> {
  const headers = new Map<string, string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase();
    if (name.startsWith(':')) continue;
    const value = rawHeaders[index + 1]!;
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ','}${value}`);
  }
  return headers;
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110, section 5.5: no control characters but the tab. */
// oxlint-disable-next-line no-control-regex
const badValue = /[\u0000-\u0008\u000A-\u001F\u007F]/;

/** What a request or a response may be given by its authorizer: neither the parts of the request line nor its framing. */
const untouchable = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
]);

/** Whether a header of an answer can be put on a message; throws for one that is none, since what it was to say is not known. */
export function isTaken([name, value]: readonly [name: string, value: string]): boolean {
  if (name.startsWith(':') || untouchable.has(name)) return false;
  if (!token.test(name) || badValue.test(value)) throw new Error(`its header ${JSON.stringify(name.slice(0, 100))} is malformed`);
  return true;
}
