/**
 * A program with ports of a mesh, for clients that mean it no good: its parent writes to them whatever it likes, and asks what is left.
 * Nothing is caught here: what would end a program ends this one.
 */
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMesh } from 'meshfetch';
import type { RequestListener } from '../../src/data-plane/listen/listen-options.ts';
import type { FilterChainConfig } from '../../src/model/listener.ts';
import { testAuthority, workloadCertificate } from './certificates.ts';
import { endpointAt, staticCluster } from './cluster-plane.ts';
import { policyOf } from './inbound.ts';
import { meshListener, mutualChain, plaintextChain, SecuredPlane } from './listening.ts';
import { ecKey, signToken } from './token-issuer.ts';

/** What the parent is told first. */
export interface FuzzedPorts {
  readonly ports: readonly number[];
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  readonly token: string;
}

/** What is left. */
export interface FuzzedRest {
  readonly connections: number;
  readonly requests: number;
}

const authority = await testAuthority();
const plane = new SecuredPlane();
const mesh = await createMesh({ controlPlane: plane, drainTimeoutMs: 0 });
const identities = await plane.identities;
identities.setTrustBundle({ name: 'default', certificates: authority.certificate });
identities.setSvid({ name: 'default', ...(await workloadCertificate(authority, 'server')) });

// Both the keys of tokens and the authorizer take a few milliseconds: time for a client to think again.
const key = ecKey();
const helper = createHttpServer((request, response) => {
  setTimeout(() => {
    if (request.url === '/keys') response.end(JSON.stringify({ keys: [key.jwk({ kid: 'one' })] }));
    else response.writeHead(request.url?.includes('no') === true ? 403 : 200, { 'x-authorized': 'yes' }).end();
  }, 3);
}).listen(0, '127.0.0.1');
await new Promise((resolve) => helper.once('listening', resolve));
const helperAddress = `127.0.0.1:${(helper.address() as AddressInfo).port}`;

const policies: Partial<FilterChainConfig> = {
  jwt: [
    {
      name: 'login',
      issuer: 'https://login.example',
      audiences: [],
      allowMissing: true,
      jwks: { kind: 'remote', url: 'http://login.internal/keys', cluster: 'helper', cacheMs: 50 },
    },
  ],
  externalAuthorizers: [
    { name: 'authz', protocol: 'http', cluster: 'helper', timeoutMs: 500, maxBodyBytes: 16, allowPartialBody: true },
  ],
  authorization: [
    policyOf('deny', [{ kind: 'path', match: { kind: 'prefix', value: '/deny' } }]),
    policyOf('custom', [{ kind: 'path', match: { kind: 'prefix', value: '/ask' } }], { provider: 'authz' }),
  ],
  fault: { delay: { fraction: { numerator: 20, denominator: 100 }, fixedMs: 3 } },
  admission: { maxRequests: 500 },
  loadReport: true,
};
await plane.deliver([
  staticCluster('helper', [endpointAt(helperAddress)]),
  {
    kind: 'listener',
    name: 'in',
    value: meshListener({
      filterChains: [mutualChain(policies), plaintextChain(policies)],
      plaintextPaths: ['/open'],
      // What is only begun is over soon, so that nothing is left when the test looks.
      limits: {
        headersTimeoutMs: 300,
        requestTimeoutMs: 500,
        keepAliveTimeoutMs: 500,
        responseIdleTimeoutMs: 400,
        maxHeaderBytes: 8192,
      },
      detectTimeoutMs: 300,
      proxyProtocol: { from: ['127.0.0.1/32'] },
    }),
  },
]);

const handler: RequestListener = (request, response) => {
  switch (request.url?.length === undefined ? 0 : request.url.length % 5) {
    case 0:
      response.end('at once');
      return;
    case 1:
      setImmediate(() => response.end('later'));
      return;
    case 2:
      request.pipe(response);
      return;
    case 3:
      setTimeout(() => {
        response.write('slowly ');
        setTimeout(() => response.end('and in parts'), 2);
      }, 2);
      return;
    default:
      request.resume().on('end', () => response.end(Buffer.alloc(100_000, 'long ')));
  }
};
const upgrade = (_request: unknown, socket: { readonly pipe: (to: never) => unknown; write(text: string): unknown }): void => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
  socket.pipe(socket as never);
};
const host = '127.0.0.1';
const servers = [
  await mesh.listen(handler, { port: 0, host, upgrade, readyPath: '/ready' }),
  await mesh.listen(handler, { port: 0, host, http2: 'native', upgrade }),
  await mesh.listen(handler, { port: 0, host, mode: 'strict' }),
];
const client = await workloadCertificate(authority, 'client');
process.send!({
  ports: servers.map(({ port }) => port),
  ca: authority.certificate,
  certificate: client.certificateChain,
  key: client.privateKey.reveal(),
  token: signToken({ alg: 'ES256', kid: 'one' }, { iss: 'https://login.example', sub: 'alice', exp: 4_102_444_800 }, key.sign),
} satisfies FuzzedPorts);

process.on('message', () => {
  const rest = { connections: 0, requests: 0 };
  for (const { connections = 0, requestsInFlight } of mesh.status().inbound ?? []) {
    rest.connections += connections;
    rest.requests += requestsInFlight;
  }
  process.send!(rest satisfies FuzzedRest);
});
// Started by a test: ends with it.
process.on('disconnect', () => process.exit());
