/** What is said of a TLS that does not fit, by real servers: in words with a remedy, on one line. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, it } from 'node:test';
import { openGrpc, rootsProblem, type GrpcError, type GrpcTls } from '../../../src/wire/grpc-client.ts';
import { connectionFailure } from '../../../src/wire/tls-failure.ts';
import { hourMs, serverKeyPair, testAuthority, validity, workloadCertificate } from '../../support/certificates.ts';
import { startGrpcServer, type GrpcMethods } from '../../support/grpc-server.ts';

const methods: GrpcMethods = { unary: { '/a.B/C': (request) => request } };

const [authority, other] = await Promise.all([testAuthority(), testAuthority('other CA')]);
const [server, stale, stranger] = await Promise.all([
  workloadCertificate(authority, 'server'),
  workloadCertificate(authority, 'server', validity(-3 * hourMs, -hourMs)),
  workloadCertificate(other, 'client'),
]);
const roots = authority.certificate;
const mutual = { ...serverKeyPair(server), roots };
const serverName = 'server';

interface Row {
  readonly name: string;
  /** Undefined = plaintext. */
  readonly speaks: Parameters<typeof startGrpcServer>[1];
  readonly tls: GrpcTls | undefined;
  readonly says: RegExp;
}

const rows: readonly Row[] = [
  { name: 'tls-to-plaintext', speaks: undefined, tls: { roots, serverName }, says: /does not speak TLS there: leave `tls` out/ },
  { name: 'plaintext-to-tls', speaks: serverKeyPair(server), tls: undefined, says: /where it speaks TLS, turn `tls` on/ },
  {
    name: 'no-certificate-of-ours',
    speaks: mutual,
    tls: { roots, serverName },
    says: /asks for a certificate of ours, and none is set: set the certificate and its key$/,
  },
  {
    name: 'certificate-of-ours-from-elsewhere',
    speaks: mutual,
    tls: { roots, serverName, certificateChain: stranger.certificateChain, privateKey: stranger.privateKey.reveal() },
    says: /does not take our certificate/,
  },
  {
    name: 'unknown-issuer-by-file',
    speaks: serverKeyPair(server),
    tls: { roots: other.certificate, rootsFile: '/etc/xds/ca.pem', serverName },
    says: /is of no authority among the roots in \/etc\/xds\/ca\.pem: name the file/,
  },
  {
    name: 'unknown-issuer-by-node',
    speaks: serverKeyPair(server),
    tls: { serverName },
    says: /among the roots that Node trusts/,
  },
  {
    name: 'another-name',
    speaks: serverKeyPair(server),
    tls: { roots, serverName: 'elsewhere' },
    says: /is not for "elsewhere", but for URI:spiffe:\/\/example\.org\/server, DNS:server, DNS:localhost: set `serverName`/,
  },
  {
    name: 'name-is-an-address',
    speaks: serverKeyPair(server),
    tls: { roots },
    says: /is not for "127\.0\.0\.1", but for other names/,
  },
  { name: 'expired', speaks: serverKeyPair(stale), tls: { roots, serverName }, says: /has expired: renew it, or set the clock/ },
  {
    name: 'key-of-another',
    speaks: mutual,
    tls: { roots, serverName, certificateChain: stranger.certificateChain, privateKey: server.privateKey.reveal() },
    says: /our certificate and our key do not belong together/,
  },
];

async function failureOf(address: string, tls: GrpcTls | undefined): Promise<string> {
  const connection = openGrpc({ address, ...(tls !== undefined && { tls }) });
  try {
    return await connection.unary('/a.B/C', Uint8Array.of(1)).then(
      () => 'ok',
      (thrown: GrpcError) => thrown.message,
    );
  } finally {
    connection.close();
  }
}

describe('the failure of a connection of gRPC', () => {
  for (const { name, speaks, tls, says } of rows) {
    it(`is told in words with a remedy (${name})`, async () => {
      const listening = await startGrpcServer(methods, speaks);
      try {
        const message = await failureOf(listening.address, tls);
        assert.match(message, /^UNAVAILABLE: no connection: /);
        assert.match(message, says);
        assert.doesNotMatch(message, /\n|SSL routines|openssl/);
      } finally {
        listening.close();
      }
    });
  }

  it('is told of a server that asks for a certificate in the words of TLS 1.2', async () => {
    const listening = createTlsServer({
      ...serverKeyPair(server),
      ca: roots,
      requestCert: true,
      maxVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
    });
    listening.on('tlsClientError', () => {});
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const address = `127.0.0.1:${(listening.address() as AddressInfo).port}`;
    assert.match(await failureOf(address, { roots, serverName }), /asks for a certificate of ours/);
    listening.close();
  });

  it('is the word of OpenSSL alone where nothing more is known, on one line', () => {
    const raw = '401DC2B9947F0000:error:0A000412:SSL routines:ssl3_read_bytes:something new:../deps/a.c:918:SSL alert number 1\n';
    const tried = { tls: {}, serverName: 'a', isUnixSocket: false };
    assert.equal(connectionFailure(raw, tried), 'something new');
    assert.equal(connectionFailure('connect ECONNREFUSED 127.0.0.1:1\n', tried), 'connect ECONNREFUSED 127.0.0.1:1');
  });
});

describe('roots', () => {
  it('are one certificate of PEM at least, and nothing that cannot be read', () => {
    assert.equal(rootsProblem(roots), undefined);
    assert.equal(rootsProblem(`# a comment\n${roots}\n${other.certificate}`), undefined);
    assert.equal(rootsProblem('garbage'), 'holds no PEM certificate');
    assert.equal(rootsProblem(''), 'holds no PEM certificate');
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    assert.equal(rootsProblem(roots + broken), 'holds a certificate that cannot be read, number 2');
  });
});
