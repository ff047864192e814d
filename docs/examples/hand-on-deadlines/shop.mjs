// shop.mjs PORT: works for 50 ms, then asks orders, on behalf of whoever asks it.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMesh, requestContextFrom, withRequestContext } from 'meshfetch';

const [port] = process.argv.slice(2);
const mesh = await createMesh({ controlPlane: 'mesh.yaml' });

async function serve(request, response) {
  await sleep(50);
  try {
    const answer = await mesh.fetch('http://orders/42'); // knows nothing of deadlines
    response.end(await answer.text());
  } catch ({ cause }) {
    response.writeHead(cause.status).end(`${cause.code}, orders may have seen it: ${cause.mayHaveBeenProcessed}`);
  }
}

/** Who may say how much a request matters. With mutual TLS: `request.socket.authorized`. Here: who runs on this machine. */
const isTrusted = (request) => request.socket.remoteAddress === '127.0.0.1';

const server = createServer((request, response) => {
  const context = requestContextFrom(request.headers, { isTrusted: isTrusted(request) });
  withRequestContext(context, () => serve(request, response));
});
server.listen(port, '127.0.0.1', () => console.log(`shop listens on ${port}`));
