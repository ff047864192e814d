// A program that knows nothing of a mesh: it asks `orders` by every client that it has, and prints what each got.
import http from 'node:http';
import https from 'node:https';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import grpc from '@grpc/grpc-js';
import axios from 'axios';
import got from 'got';
import { EventSource, Agent, fetch as undiciFetch, pipeline, request, stream } from 'undici';

const get = (options, { get: ask } = http) =>
  new Promise((resolve, reject) => ask(options, (response) => resolve(text(response))).on('error', reject));
const agent = new http.Agent({ keepAlive: true });
const bytes = (value) => value;
const Echo = grpc.makeGenericClientConstructor({
  echo: {
    path: '/test.Echo/Echo',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
});

const clients = {
  fetch: async () => (await fetch('http://orders/fetch')).text(),
  'undici-fetch': async () => (await undiciFetch('http://orders/undici-fetch')).text(),
  'undici-request': async () => (await request('http://orders/undici-request')).body.text(),
  'undici-stream': async () => {
    let got = '';
    const sink = new Writable({ write: (chunk, _encoding, done) => done(void (got += chunk)) });
    await stream('http://orders/undici-stream', { method: 'GET' }, () => sink);
    return got;
  },
  'undici-pipeline': () => text(pipeline('http://orders/undici-pipeline', { method: 'POST' }, ({ body }) => body).end('x')),
  // It names a dispatcher: that is its own affair.
  'undici-own-agent': () =>
    request('http://orders/own', { dispatcher: new Agent() }).then(
      () => 'reached',
      () => 'not through the mesh',
    ),
  websocket: () =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket('ws://orders/websocket');
      socket.addEventListener('message', ({ data }) => (resolve(data), socket.close()));
      socket.addEventListener('error', () => reject(new Error('no websocket')));
    }),
  'event-source': () =>
    new Promise((resolve, reject) => {
      const source = new EventSource('http://orders/event-source');
      source.addEventListener('message', ({ data }) => (resolve(data), source.close()));
      source.addEventListener('error', () => (reject(new Error('no events')), source.close()));
    }),
  'http-get': () => get('http://orders/http-get'),
  'http-own-agent': () => get({ host: 'orders', path: '/http-own-agent', agent }),
  'http-no-agent': () => get({ host: 'orders', path: '/http-no-agent', agent: false }),
  'https-get': () => get('https://secure-orders/https-get', https),
  axios: async () => (await axios.get('http://orders/axios')).data,
  got: () => got('http://orders/got').text(),
  grpc: () =>
    new Promise((resolve, reject) => {
      const client = new Echo('greeter:50051', grpc.credentials.createInsecure());
      client.echo(Buffer.from('grpc'), (error, answer) => (error ? reject(error) : resolve(String(answer)), client.close()));
    }),
};

const wanted = process.argv.slice(2);
for (const [name, ask] of Object.entries(clients)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const answer = await ask().catch((error) => `failed: ${error.cause?.message ?? error.message}`);
  console.log(JSON.stringify([name, answer]));
}
