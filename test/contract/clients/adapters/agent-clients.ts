/** Clients of node:http, which take the mesh's agents: node:http itself, axios, got, and the handler of the AWS SDK. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { create, type AxiosResponse } from 'axios';
import got from 'got';
import type { Mesh } from 'meshfetch';
import type { Ask, Client, Exchange, Outcome } from '../client.ts';
import { failure, headersOf, outcomeOf } from '../outcome.ts';
import { urlOf } from './fetch-clients.ts';

const readable = (body: Ask['body']): Buffer | Readable | undefined =>
  body === undefined || Buffer.isBuffer(body) ? body : Readable.from(body, { objectMode: false });

function exchangeOf(response: IncomingMessage): Exchange {
  return {
    status: response.statusCode!,
    headers: headersOf(Object.entries(response.headers)),
    messages: response,
    trailers: () => headersOf(Object.entries(response.trailers)),
    cancel: () => void response.on('error', () => {}).destroy(),
  };
}

/** node:http and node:https. */
export const nodeHttpClient: Client = {
  name: 'node:http',
  family: 'http',
  written: '`http.request(url, { agent: mesh.httpAgent })`',
  over(mesh) {
    const open = async (ask: Ask): Promise<Exchange> => {
      const { method = 'GET', headers = {}, body, signal, isSecure = false, onInformation } = ask;
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      const options = { method, headers: { ...headers }, ...(signal !== undefined && { signal }) };
      const request = isSecure
        ? httpsRequest(urlOf(ask), { ...options, agent: mesh.httpsAgent })
        : httpRequest(urlOf(ask), { ...options, agent: mesh.httpAgent });
      request.on('response', resolve).on('error', reject);
      request.on('information', ({ statusCode, headers: early }) =>
        onInformation?.(statusCode, headersOf(Object.entries(early))),
      );
      const source = readable(body);
      if (source instanceof Readable) source.on('error', (error) => request.destroy(error)).pipe(request);
      else request.end(source);
      return exchangeOf(await promise);
    };
    return { open, call: (ask) => outcomeOf(open(ask)), close() {} };
  },
};

/** axios with its adapter of node:http. */
export const axiosClient: Client = {
  name: 'axios',
  family: 'http',
  written: '`axios.create({ httpAgent: mesh.httpAgent, httpsAgent: mesh.httpsAgent })`',
  over(mesh) {
    const client = create({
      adapter: 'http',
      httpAgent: mesh.httpAgent,
      httpsAgent: mesh.httpsAgent,
      validateStatus: () => true,
      proxy: false,
    });
    const send = <T>(ask: Ask, responseType: 'arraybuffer' | 'stream'): Promise<AxiosResponse<T>> => {
      const { method = 'GET', headers = {}, body, signal } = ask;
      const data = readable(body);
      return client.request<T>({
        url: urlOf(ask),
        method,
        headers: { ...headers },
        responseType,
        ...(data !== undefined && { data }),
        // A body that is streamed cannot be kept for a redirect.
        ...(data instanceof Readable && { maxRedirects: 0 }),
        ...(signal !== undefined && { signal }),
      });
    };
    return {
      async call(ask) {
        try {
          const { status, headers, data } = await send<Buffer>(ask, 'arraybuffer');
          const shown = headersOf(Object.entries(headers as Record<string, string>));
          return { kind: 'answer', status, headers: shown, trailers: undefined, body: data };
        } catch (error) {
          return failure(error);
        }
      },
      async open(ask) {
        return exchangeOf((await send<IncomingMessage>(ask, 'stream')).data);
      },
      close() {},
    };
  },
};

/** got with its own retries off: those of the mesh are to be seen. */
export const gotClient: Client = {
  name: 'got',
  family: 'http',
  written: '`got.extend({ agent: { http: mesh.httpAgent, https: mesh.httpsAgent }, retry: { limit: 0 } })`',
  over(mesh) {
    const client = gotOver(mesh);
    return {
      async call(ask) {
        const { body } = ask;
        if (body !== undefined && !Buffer.isBuffer(body)) return outcomeOf(openGot(client, ask));
        try {
          const { method = 'GET', headers = {}, signal } = ask;
          const response = await client(urlOf(ask), {
            method: method as 'GET',
            headers: { ...headers },
            responseType: 'buffer',
            ...(body !== undefined && { body }),
            ...(signal !== undefined && { signal }),
          });
          return {
            kind: 'answer',
            status: response.statusCode,
            headers: headersOf(Object.entries(response.headers)),
            trailers: headersOf(Object.entries(response.trailers)),
            body: Buffer.from(response.body as Uint8Array),
          } satisfies Outcome;
        } catch (error) {
          return failure(error);
        }
      },
      open: (ask) => openGot(client, ask),
      close() {},
    };
  },
};

function gotOver(mesh: Mesh) {
  return got.extend({
    agent: { http: mesh.httpAgent, https: mesh.httpsAgent },
    retry: { limit: 0 },
    throwHttpErrors: false,
    decompress: false,
  });
}

async function openGot(client: ReturnType<typeof gotOver>, ask: Ask): Promise<Exchange> {
  const { method = 'GET', headers = {}, body, signal } = ask;
  const stream = client.stream(urlOf(ask), {
    method: method as 'GET',
    headers: { ...headers },
    ...(signal !== undefined && { signal }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  stream.on('response', resolve).on('error', reject);
  const source = readable(body);
  if (source instanceof Readable) source.pipe(stream);
  else if (method !== 'GET') stream.end(source);
  const response = await promise;
  return {
    status: response.statusCode!,
    headers: headersOf(Object.entries(response.headers)),
    messages: stream as AsyncIterable<Buffer>,
    trailers: () => headersOf(Object.entries(response.trailers)),
    cancel: () => void stream.destroy(),
  };
}
