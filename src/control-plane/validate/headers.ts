/** Checks of changes to headers. */
import type { HeaderMutation } from '../../model/policy.ts';
import type { Check } from './check.ts';

/** These say where a message ends; changing them by configuration would let one request be read as two (RFC 9112, section 11.2). */
const framing: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding']);
/** These belong to one connection and are set by it (RFC 9110, section 7.6.1); HTTP/2 has none of them. */
const ofConnection: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'expect', 'te']);

/** Checks changes to headers: real names, values on one line, nothing that says where a message ends. */
export function checkHeaderMutation(check: Check, mutation: HeaderMutation): void {
  check.each('remove', mutation.remove, (inner, name) => {
    checkName(inner, name, '');
    // Envoy refuses it too.
    if (typeof name === 'string' && /^host$/i.test(name))
      inner.reject('a request needs its host; use `hostRewrite` to change it');
  });
  for (const key of ['set', 'add', 'setIfAbsent', 'setIfPresent'] as const) {
    check.each(key, mutation[key], (inner, pair) => {
      const [name, value] = inner.list<unknown>(pair);
      checkName(inner, name, 0);
      if (typeof name === 'string' && ofConnection.has(name.toLowerCase()))
        inner.reject(`${name} belongs to one connection, which sets its own; leave it out`, 0);
      inner.headerValue(1, value);
    });
  }
}

function checkName(check: Check, name: unknown, key: string | number): void {
  check.headerName(key, name, 'any-case');
  if (typeof name === 'string' && framing.has(name.toLowerCase()))
    check.reject(`${name} frames the message and must not be changed`, key);
}
