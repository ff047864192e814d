import { Readable } from 'node:stream';
import { request } from 'undici';
import type { Ask, Client, Exchange } from '../client.ts';
import { headersOf, outcomeOf } from '../outcome.ts';
import { urlOf } from './fetch-clients.ts';

/** undici's `request` over the mesh's dispatcher. */
export const undiciClient: Client = {
  name: 'undici',
  family: 'http',
  written: '`request(url, { dispatcher: mesh.dispatcher })`',
  over(mesh) {
    const open = async (ask: Ask): Promise<Exchange> => {
      const { method = 'GET', headers = {}, body, signal, onInformation } = ask;
      const {
        statusCode,
        headers: received,
        trailers,
        body: messages,
      } = await request(urlOf(ask), {
        dispatcher: mesh.dispatcher,
        method: method as 'GET',
        headers: { ...headers },
        body: body === undefined || Buffer.isBuffer(body) ? (body ?? null) : Readable.from(body),
        ...(signal !== undefined && { signal }),
        ...(onInformation !== undefined && {
          onInfo: ({ statusCode: status, headers: early }) => onInformation(status, headersOf(Object.entries(early))),
        }),
      });
      return {
        status: statusCode,
        headers: headersOf(Object.entries(received)),
        messages,
        trailers: () => headersOf(Object.entries(trailers)),
        cancel: () => void messages.on('error', () => {}).destroy(),
      };
    };
    return { open, call: (ask) => outcomeOf(open(ask)), close() {} };
  },
};
