/** `node --import meshfetch/register`: programs that know nothing of a mesh, in processes of their own. */
import assert from 'node:assert/strict';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { testAuthority, workloadCertificate } from '../support/certificates.ts';
import { startGrpcServer } from '../support/grpc-server.ts';
import { answersOf, runRegistered, type RegisteredRun } from '../support/register/run-registered.ts';
import { startHttps, temporaryFolder } from '../support/secured.ts';
import { answer, closedPort, startServer } from '../support/servers.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** What `meshfetch/register` names, for programs elsewhere. */
const ownFile = join(root, 'src/integrations/register/index.ts');
const folder = await temporaryFolder();
/** Writes a configuration; gives its path. */
async function configOf(services: object, more: object = {}): Promise<string> {
  const path = join(folder, `mesh-${Math.random()}.json`);
  await writeFile(path, JSON.stringify({ services, ...more }));
  return path;
}

const orders = await startServer(({ url = '', headers }, response) => {
  if (url === '/event-source') response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${url}\n\n`);
  else response.end(`${headers.host} ${url}`);
});
const sockets = new WebSocketServer({ server: orders.server });
sockets.on('connection', (socket, { url }) => socket.send(`orders ${url}`));
const authority = await testAuthority();
const secure = await startHttps(await workloadCertificate(authority, 'orders'), answer('secure'));
const trustBundle = join(folder, 'roots.pem');
await writeFile(trustBundle, authority.certificate);
const greeter = await startGrpcServer({ unary: { '/test.Echo/Echo': (message) => Buffer.from(`greeter ${String(message)}`) } });
after(() => greeter.close());
const config = await configOf(
  {
    orders: { endpoints: [orders.address] },
    greeter: { endpoints: [greeter.address] },
    'secure-orders': {
      endpoints: [secure.address],
      tls: { mode: 'simple', peers: ['spiffe://example.org/orders'] },
    },
  },
  { identity: { trustBundle } },
);

const all = {
  fetch: 'orders /fetch',
  'undici-fetch': 'orders /undici-fetch',
  'undici-request': 'orders /undici-request',
  'undici-stream': 'orders /undici-stream',
  'undici-pipeline': 'orders /undici-pipeline',
  'undici-own-agent': 'not through the mesh',
  websocket: 'orders /websocket',
  'event-source': '/event-source',
  'http-get': 'orders /http-get',
  'http-own-agent': 'orders /http-own-agent',
  'http-no-agent': 'orders /http-no-agent',
  'https-get': 'secure',
  axios: 'orders /axios',
  got: 'orders /got',
  grpc: 'greeter grpc',
};

const some = {
  fetch: all.fetch,
  'undici-request': all['undici-request'],
  'http-get': all['http-get'],
  axios: all.axios,
  grpc: all.grpc,
};

describe('a program that was never changed', { concurrency: 2 }, () => {
  it('reaches the services by every client that it has, and ends by itself', async () => {
    const end = await runRegistered(['clients.mjs'], { config });
    assert.deepEqual(answersOf(end), all);
    assert.ok(!end.errors.includes('MESHFETCH'), end.errors);
  });

  it('reaches them by clients that it has with require', async () => {
    assert.deepEqual(answersOf(await runRegistered(['clients.cjs'], { config })), some);
  });

  it('reaches them from a worker thread', async () => {
    assert.deepEqual(answersOf(await runRegistered(['in-worker.mjs'], { config })), some);
  });

  it('reaches them when the mesh is registered after the clients were loaded', async () => {
    const imports = [join(import.meta.dirname, '../support/register/load-clients.mjs'), 'meshfetch/register'];
    assert.deepEqual(answersOf(await runRegistered(['clients.mjs'], { config, imports })), all);
  });

  it('has one mesh, however often it is registered and by however many copies', async () => {
    const copy = await temporaryFolder();
    await cp(join(root, 'src'), join(copy, 'src'), { recursive: true });
    await cp(join(root, 'package.json'), join(copy, 'package.json'));
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    const second = join(copy, 'src/integrations/register/index.ts');
    const { code, output, errors } = await runRegistered(['count-meshes.mjs', second], {
      config,
      imports: ['meshfetch/register', 'meshfetch/register', second],
    });
    assert.equal(code, 0, errors);
    assert.deepEqual(JSON.parse(output), { installations: 1, answer: 'orders /counted', others: 'same' });
  });

  it('reaches them by another copy of undici, and what that one sets stands behind the mesh', async () => {
    const program = await temporaryFolder();
    await cp(join(root, 'node_modules/undici'), join(program, 'node_modules/undici'), { recursive: true });
    await cp(join(import.meta.dirname, '../support/register/mocked.mjs'), join(program, 'mocked.mjs'));
    const run = await runRegistered([join(program, 'mocked.mjs')], { config, imports: [ownFile] });
    assert.deepEqual(answersOf(run), { unknown: 'mocked', known: 'orders /known', again: 'not mocked' });
  });

  it('asks as it did where the list of what is bypassed has the host', async () => {
    const run = await runRegistered(['clients.mjs', 'fetch', 'http-get', 'grpc'], {
      config,
      env: { MESHFETCH_BYPASS: 'orders,greeter:50051' },
    });
    for (const [name, got] of Object.entries(answersOf(run)))
      assert.match(got, /^failed: .*(ENOTFOUND|EAI_AGAIN|Name resolution)/, name);
  });
});

describe('what a program has set for its requests', { concurrency: 2 }, () => {
  /** A forward proxy that answers by itself. */
  async function startProxy(): Promise<{ readonly url: string; readonly asked: string[] }> {
    const asked: string[] = [];
    const proxy = createServer(({ url = '' }, response) => {
      asked.push(url);
      response.end(`proxied ${url}`);
    });
    // Tunnels lead to the server all the same.
    proxy.on('connect', ({ url = '' }, client: Socket) => {
      asked.push(url);
      const upstream = connect(orders.port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(client).pipe(upstream);
      });
      for (const socket of [client, upstream]) socket.on('error', () => client.destroy());
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    after(() => (proxy.close(), proxy.closeAllConnections()));
    return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, asked };
  }

  const rows: readonly { readonly name: string; readonly how: (proxy: string) => RegisteredRun }[] = [
    {
      name: 'node-use-env-proxy',
      how: (proxy) => ({ env: { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy } }),
    },
    {
      name: 'proxy-agent-before',
      how: (proxy) => ({ env: { PROXY: proxy }, imports: [proxyFile, 'meshfetch/register'] }),
    },
    {
      name: 'proxy-agent-after',
      how: (proxy) => ({ env: { PROXY: proxy }, imports: ['meshfetch/register', proxyFile] }),
    },
  ];
  const proxyFile = join(import.meta.dirname, '../support/register/set-proxy.mjs');
  for (const { name, how } of rows)
    it(`serves what the mesh does not know, and nothing else: ${name}`, async () => {
      const proxy = await startProxy();
      const run = await runRegistered(['known-and-unknown.mjs'], { config, ...how(proxy.url) });
      const answers = answersOf(run);
      assert.equal(answers['known'], 'orders /known');
      assert.match(answers['unknown']!, /\/unknown$/);
      assert.ok(proxy.asked.length > 0 && proxy.asked.every((url) => url.includes('elsewhere.invalid')), proxy.asked.join());
    });

  it('is a mock of the program: it sees what the mesh does not know', async () => {
    const run = await runRegistered(['mocked.mjs'], { config });
    assert.deepEqual(answersOf(run), { unknown: 'mocked', known: 'orders /known', again: 'not mocked' });
  });
});

describe('a start', { concurrency: 2 }, () => {
  const failing: readonly { readonly name: string; readonly run: () => RegisteredRun; readonly says: RegExp }[] = [
    {
      name: 'no-such-file',
      run: () => ({ config: join(folder, 'none.yaml') }),
      says: /MESH_CONFIG_UNREADABLE/,
    },
    {
      name: 'mistake-in-the-file',
      run: () => ({ config: join(folder, 'wrong.yaml') }),
      says: /services\.orders\.endpoint.*MESH_CONFIG_INVALID/s,
    },
    {
      name: 'mistake-in-the-list',
      run: () => ({ config, env: { MESHFETCH_BYPASS: '10.0.0.0/99' } }),
      says: /MESHFETCH_BYPASS has "10\.0\.0\.0\/99".*MESH_CONFIG_INVALID/s,
    },
  ];
  for (const { name, run, says } of failing)
    it(`ends with the error of a wrong configuration, before the program: ${name}`, async () => {
      await writeFile(join(folder, 'wrong.yaml'), 'services:\n  orders:\n    endpoint: [127.0.0.1:1]\n');
      const { code, output, errors } = await runRegistered(['clients.cjs'], run());
      assert.equal(code, 1);
      assert.equal(output, '');
      assert.match(errors, says);
    });

  it('without a configuration says so, and leaves everything as it is', async () => {
    const empty = await temporaryFolder();
    const run = await runRegistered(['known-and-unknown.mjs', orders.address], { cwd: empty, imports: [ownFile] });
    const answers = answersOf(run);
    assert.match(answers['known']!, /ENOTFOUND|EAI_AGAIN/);
    assert.equal(answers['unknown'], `${orders.address} /unknown`);
    assert.equal(run.errors.match(/MESHFETCH_NO_CONFIG/g)?.length, 1);
  });

  it('names the variable that was meant where one is misspelt', async () => {
    const { code, errors } = await runRegistered(['loopback.mjs', orders.address], {
      config,
      env: { MESHFETCH_BYPAS: 'orders' },
    });
    assert.equal(code, 0, errors);
    assert.match(errors, /MESHFETCH_MISSPELT.*nobody reads the variable MESHFETCH_BYPAS; did you mean MESHFETCH_BYPASS\?/);
  });

  it('does not wait for a control plane that is away', async () => {
    const run = { config: `consul://127.0.0.1:${await closedPort()}` };
    const { code, output, errors } = await runRegistered(['loopback.mjs', orders.address], run);
    assert.equal(code, 0, errors);
    assert.equal(output, `${orders.address} /loopback\n`);
  });

  it('with a grpc-js that the mesh was not tested with warns once, and leaves its calls alone', async () => {
    const program = await temporaryFolder();
    const packages = join(program, 'node_modules');
    await mkdir(join(packages, '@grpc'), { recursive: true });
    await cp(join(root, 'node_modules/@grpc/grpc-js'), join(packages, '@grpc/grpc-js'), { recursive: true });
    for (const name of ['@grpc/proto-loader', '@js-sdsl']) await symlink(join(root, 'node_modules', name), join(packages, name));
    const manifest = join(packages, '@grpc/grpc-js/package.json');
    await writeFile(manifest, JSON.stringify({ name: '@grpc/grpc-js', version: '1.99.0', main: 'build/src/index.js' }));
    for (const name of ['axios', 'undici', 'got']) await symlink(join(root, 'node_modules', name), join(packages, name));
    await cp(join(import.meta.dirname, '../support/register/clients.mjs'), join(program, 'clients.mjs'));
    const run = await runRegistered([join(program, 'clients.mjs'), 'http-get', 'grpc'], {
      config,
      imports: [ownFile],
    });
    const answers = answersOf(run);
    assert.equal(answers['http-get'], 'orders /http-get');
    assert.match(answers['grpc']!, /Name resolution failed/);
    assert.equal(run.errors.match(/MESHFETCH_GRPC_UNTESTED/g)?.length, 1);
    assert.match(run.errors, /@grpc\/grpc-js 1\.99\.0/);
  });
});
