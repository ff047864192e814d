import type { InboundRequest } from '../../model/inbound.ts';
import { forgetViews } from './request-headers.ts';

/** Gives the handler the path that the rules saw; over HTTP/2 it stands among the headers too. */
export function setTarget(request: InboundRequest, path: string): void {
  request.url = path;
  if (request.httpVersionMajor < 2) return;
  const { rawHeaders } = request;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index] !== ':path') continue;
    rawHeaders[index + 1] = path;
    forgetViews(request);
    return;
  }
}
