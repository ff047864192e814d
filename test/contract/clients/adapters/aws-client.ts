import { Readable } from 'node:stream';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Ask, Client, Exchange } from '../client.ts';
import { headersOf, outcomeOf } from '../outcome.ts';
import { urlOf } from './fetch-clients.ts';

type HttpRequest = Parameters<NodeHttpHandler['handle']>[0];

/** The handler through which the clients of the AWS SDK send all their requests. */
export const awsClient: Client = {
  name: 'AWS SDK',
  family: 'http',
  written: '`new S3Client({ requestHandler: new NodeHttpHandler({ httpAgent: mesh.httpAgent, httpsAgent: mesh.httpsAgent }) })`',
  over(mesh) {
    const handler = new NodeHttpHandler({ httpAgent: mesh.httpAgent, httpsAgent: mesh.httpsAgent });
    const open = async (ask: Ask): Promise<Exchange> => {
      const { method = 'GET', headers = {}, body, signal } = ask;
      const { protocol, hostname, pathname, searchParams } = new URL(urlOf(ask));
      const { response } = await handler.handle(
        {
          protocol,
          hostname,
          method,
          path: pathname,
          query: Object.fromEntries(searchParams),
          headers: { ...headers },
          body: body === undefined || Buffer.isBuffer(body) ? body : Readable.from(body),
        } as HttpRequest,
        signal === undefined ? {} : { abortSignal: signal },
      );
      const messages = response.body as Readable;
      return {
        status: response.statusCode,
        headers: headersOf(Object.entries(response.headers)),
        messages,
        trailers: () => undefined,
        cancel: () => void messages.on('error', () => {}).destroy(),
      };
    };
    return { open, call: (ask) => outcomeOf(open(ask)), close: () => handler.destroy() };
  },
};
