import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';

/**
 * `100 Continue` goes out when somebody reads the body, and not before: a client whose request is refused never sends its body.
 * Without it, Node closes a connection of HTTP/1.1 after the response, since the body may still come.
 */
export function continueOnRead(request: IncomingMessage, response: ServerResponse): void {
  // An own property, since frameworks replace the prototype; taken away again when it has done its work.
  request._read = function readOn(size: number): void {
    Reflect.deleteProperty(request, '_read');
    if (!response.headersSent && !isGone(response)) response.writeContinue();
    request._read(size);
  };
}

/** Node's responses of HTTP/2 throw when their stream is gone, before they know it themselves. */
function isGone({ destroyed, stream }: ServerResponse & { readonly stream?: ServerHttp2Stream | undefined }): boolean {
  return destroyed || stream?.destroyed === true || stream?.closed === true;
}

/** What `expect` asks for: RFC 9110, section 10.1.1, knows one thing. */
export function expectation(request: IncomingMessage): 'none' | 'continue' | 'unknown' {
  const { expect } = request.headers;
  if (expect === undefined) return 'none';
  return /^100-continue$/i.test(expect) ? 'continue' : 'unknown';
}
