// As clients.mjs, by `require`.
const grpc = require('@grpc/grpc-js');
const axios = require('axios');
const http = require('node:http');
const { text } = require('node:stream/consumers');
const { request } = require('undici');

const bytes = (value) => value;
const types = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
const Echo = grpc.makeGenericClientConstructor({
  echo: { path: '/test.Echo/Echo', requestStream: false, responseStream: false, ...types },
});

const clients = {
  fetch: async () => (await fetch('http://orders/fetch')).text(),
  'undici-request': async () => (await request('http://orders/undici-request')).body.text(),
  'http-get': () =>
    new Promise((resolve, reject) =>
      http.get('http://orders/http-get', (response) => resolve(text(response))).on('error', reject),
    ),
  axios: async () => (await axios.get('http://orders/axios')).data,
  grpc: () =>
    new Promise((resolve, reject) => {
      const client = new Echo('greeter:50051', grpc.credentials.createInsecure());
      client.echo(Buffer.from('grpc'), (error, answer) => (error ? reject(error) : resolve(String(answer)), client.close()));
    }),
};

void (async () => {
  for (const [name, ask] of Object.entries(clients))
    console.log(JSON.stringify([name, await ask().catch((error) => `failed: ${error.message}`)]));
})();
