// shop.mjs: a program that knows nothing of a mesh.
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { request } from 'undici';

const ask = {
  fetch: async (url) => (await fetch(url)).text(),
  undici: async (url) => (await request(url)).body.text(),
  'node:http': (url) =>
    new Promise((resolve, reject) => {
      get(url, (response) => resolve(text(response))).on('error', reject);
    }),
};
for (const [client, send] of Object.entries(ask)) {
  const answer = await send('http://orders/1').catch((error) => `failed: ${(error.cause ?? error).message}`);
  console.log(`${client}: ${answer}`);
}
