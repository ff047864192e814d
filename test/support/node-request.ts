import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

/** What a test says of a request as Node's server gives it. */
export interface NodeRequestParts {
  readonly method?: string;
  readonly url?: string;
  /** Default 1.1. */
  readonly httpVersion?: string;
}

/** A request of Node's own class with these lines, names and values in turn. */
export function nodeRequest(
  rawHeaders: readonly string[],
  { method = 'GET', url = '/', httpVersion = '1.1' }: NodeRequestParts = {},
): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.method = method;
  request.url = url;
  request.httpVersion = httpVersion;
  [request.httpVersionMajor, request.httpVersionMinor] = httpVersion.split('.').map(Number) as [number, number];
  const lines = request as unknown as { _addHeaderLines(lines: string[], length: number): void };
  lines._addHeaderLines([...rawHeaders], rawHeaders.length);
  return request;
}
