/**
 * What a scripted upstream does with one attempt, written in words:
 *
 *     200                        answers
 *     503 retry-after=1          answers with a header
 *     200 after=300              the head comes after 300 ms
 *     200 body-after=300         the head at once, the body after 300 ms
 *     reset                      RST once the request was read
 *     close                      FIN once the request was read
 *     hang                       never answers
 *     truncate                   a head that promises more than is sent, then RST
 *     garbage                    bytes that are not HTTP
 *     refuse                     HTTP/2 REFUSED_STREAM
 */
export interface UpstreamStep {
  readonly kind: 'answer' | 'reset' | 'close' | 'hang' | 'truncate' | 'garbage' | 'refuse';
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly afterMs: number;
  readonly bodyAfterMs: number;
}

const kinds: readonly string[] = ['reset', 'close', 'hang', 'truncate', 'garbage', 'refuse'];

/** Reads the words. Throws a TypeError for a word that is none. */
export function parseStep(text: string): UpstreamStep {
  const [what = '', ...rest] = text.split(' ');
  const headers: [string, string][] = [];
  let afterMs = 0;
  let bodyAfterMs = 0;
  for (const word of rest) {
    const at = word.indexOf('=');
    const [name, value] = [word.slice(0, at), word.slice(at + 1)];
    if (at === -1) throw new TypeError(`"${text}": "${word}" is not name=value`);
    if (name === 'after') afterMs = Number(value);
    else if (name === 'body-after') bodyAfterMs = Number(value);
    else headers.push([name, value]);
  }
  const common = { headers, afterMs, bodyAfterMs };
  if (/^\d{3}$/.test(what)) return { kind: 'answer', status: Number(what), ...common };
  if (!kinds.includes(what)) throw new TypeError(`"${text}" is nothing that an upstream can do`);
  return { kind: what as UpstreamStep['kind'], status: 200, ...common };
}
