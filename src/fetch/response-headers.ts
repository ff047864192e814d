import type { IncomingHttpHeaders } from 'node:http';

const append = Headers.prototype.append;

function refuse(): never {
  throw new TypeError('immutable');
}

/** Headers of a response of fetch: Node’s own Headers, but immutable. Node offers no way to set that guard from outside. */
class ResponseHeaders extends Headers {
  static {
    for (const name of ['append', 'delete', 'set']) {
      Object.defineProperty(this.prototype, name, { ...Object.getOwnPropertyDescriptor(Headers.prototype, name), value: refuse });
    }
    Object.defineProperty(this.prototype, 'constructor', { value: Headers, enumerable: false });
  }
}

/** The headers of a response as the caller sees them: `set-cookie` lines kept apart, the others joined. */
export function responseHeaders(received: IncomingHttpHeaders): Headers {
  const headers = new ResponseHeaders();
  for (const name of Object.keys(received)) {
    const value = received[name];
    if (typeof value === 'string') append.call(headers, name, value);
    else for (const each of value ?? []) append.call(headers, name, each);
  }
  return headers;
}
