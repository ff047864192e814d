/** Clients whose door is fetch: the mesh's own, ky, and axios with its fetch adapter. */
import { create, type AxiosResponse } from 'axios';
import ky from 'ky';
import type { Ask, Client, Exchange, OpenClient } from '../client.ts';
import { failure, headersOf, outcomeOf } from '../outcome.ts';

/** The URL of a request. */
export function urlOf({ host = 'orders', path = '/shop.Orders/Get', isSecure = false }: Ask, scheme = 'http'): string {
  return `${scheme}${isSecure ? 's' : ''}://${host}${path}`;
}

/** What fetch takes of a request. */
function initOf({ method = 'GET', headers, body, signal }: Ask): RequestInit {
  const bytes = body === undefined || Buffer.isBuffer(body) ? body : ReadableStream.from(body);
  return {
    method,
    headers: { ...headers },
    ...(bytes !== undefined && { body: bytes as NonNullable<RequestInit['body']>, duplex: 'half' }),
    ...(signal !== undefined && { signal }),
  };
}

function exchangeOf(response: Response, cancel: () => void = () => {}): Exchange {
  return {
    status: response.status,
    headers: headersOf(response.headers),
    messages: response.body === null ? none() : parts(response.body),
    trailers: () => undefined,
    cancel,
  };
}

/** A client over a fetch, whose exchanges are given up by a signal, as fetch has it. */
function openOver(fetch: (url: string, init: RequestInit) => Promise<Response>): OpenClient {
  return {
    call: (ask) => outcomeOf(fetch(urlOf(ask), initOf(ask)).then((response) => exchangeOf(response))),
    async open(ask) {
      const given = new AbortController();
      const signal = ask.signal === undefined ? given.signal : AbortSignal.any([ask.signal, given.signal]);
      return exchangeOf(await fetch(urlOf(ask), initOf({ ...ask, signal })), () => given.abort());
    },
    close() {},
  };
}

/** Parts of a stream of the web, as buffers. */
async function* parts(stream: ReadableStream<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of stream) yield Buffer.from(chunk);
}

async function* none(): AsyncGenerator<Buffer> {}

/** Node's fetch over the mesh. */
export const meshFetchClient: Client = {
  name: 'meshFetch',
  family: 'http',
  written: '`meshFetch(url)`, `mesh.fetch(url)`',
  over: (mesh) => openOver(mesh.fetch),
};

/** ky with its own retries off: those of the mesh are to be seen. */
export const kyClient: Client = {
  name: 'ky',
  family: 'http',
  written: '`ky.create({ fetch: mesh.fetch, retry: 0 })`',
  over: (mesh) => openOver(ky.create({ fetch: mesh.fetch, retry: 0, throwHttpErrors: false, timeout: false })),
};

/** axios with its fetch adapter. */
export const axiosFetchClient: Client = {
  name: 'axios (fetch)',
  family: 'http',
  written: "`axios.create({ adapter: 'fetch', env: { fetch: mesh.fetch } })`",
  over(mesh) {
    const client = create({ adapter: 'fetch', env: { fetch: mesh.fetch }, validateStatus: () => true });
    const send = <T>(ask: Ask, responseType: 'arraybuffer' | 'stream'): Promise<AxiosResponse<T>> => {
      const { method = 'GET', headers = {}, body, signal } = ask;
      const data = body === undefined || Buffer.isBuffer(body) ? body : ReadableStream.from(body);
      return client.request<T>({
        url: urlOf(ask),
        method,
        headers: { ...headers },
        responseType,
        ...(data !== undefined && { data }),
        ...(signal !== undefined && { signal }),
      });
    };
    return {
      async call(ask) {
        try {
          const { status, headers, data } = await send<ArrayBuffer>(ask, 'arraybuffer');
          return {
            kind: 'answer',
            status,
            headers: headersOf(Object.entries(headers as Record<string, string>)),
            trailers: undefined,
            body: Buffer.from(data),
          };
        } catch (error) {
          return failure(error);
        }
      },
      async open(ask) {
        const given = new AbortController();
        const signal = ask.signal === undefined ? given.signal : AbortSignal.any([ask.signal, given.signal]);
        const { status, headers, data } = await send<ReadableStream<Uint8Array>>({ ...ask, signal }, 'stream');
        return {
          status,
          headers: headersOf(Object.entries(headers as Record<string, string>)),
          messages: parts(data),
          trailers: () => undefined,
          cancel: () => given.abort(),
        };
      },
      close() {},
    };
  },
};
