import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Metadata } from '@grpc/grpc-js';
import { after, before, beforeEach, describe, it } from 'node:test';
import { CaError, createCertificate, type CaOptions } from '../../../../src/control-plane/istio/ca-client.ts';
import { grpcCodes } from '../../../../src/wire/grpc-client.ts';
import { ProtobufReader, ProtobufWriter } from '../../../../src/wire/protobuf.ts';
import { serverKeyPair, testAuthority, validity, workloadCertificate } from '../../../support/certificates.ts';
import { startGrpcServer, type GrpcRefusal, type GrpcServer } from '../../../support/grpc-server.ts';

describe('createCertificate', () => {
  let folder: string;
  let server: GrpcServer;
  let options: CaOptions;
  let answer: Uint8Array | GrpcRefusal;
  let asked: { readonly request: Buffer; readonly metadata: Metadata } | undefined;
  const request = { csr: 'the request', validitySeconds: 3600, current: undefined, signal: new AbortController().signal };
  const chainOf = (...certificates: string[]): Uint8Array =>
    certificates.reduce((writer, certificate) => writer.text(1, certificate), new ProtobufWriter()).finish();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meshfetch-ca-'));
    const authority = await testAuthority('istiod');
    const issued = await authority.issue({ dnsNames: ['istiod.istio-system.svc'] }, validity());
    server = await startGrpcServer(
      {
        unary: {
          '/istio.v1.auth.IstioCertificateService/CreateCertificate': (bytes, metadata) => {
            asked = { request: bytes, metadata };
            return answer;
          },
        },
      },
      serverKeyPair(issued),
    );
    await writeFile(join(folder, 'root'), authority.certificate);
    await writeFile(join(folder, 'token'), ' the token\n');
    await writeFile(join(folder, 'jwt'), `e30.${Buffer.from('{}').toString('base64url')}.c2ln`);
    const other = await workloadCertificate(await testAuthority('somebody else'), 'x');
    await writeFile(join(folder, 'other-root'), other.certificateChain);
    options = {
      address: server.address,
      serverName: 'istiod.istio-system.svc',
      rootCertificateFile: join(folder, 'root'),
      tokenFile: join(folder, 'token'),
      clusterId: 'east',
      signer: undefined,
    };
  });
  beforeEach(() => {
    asked = undefined;
    answer = chainOf('leaf', 'intermediate\n', 'root');
  });
  after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });

  /** Fields of a message by number, as texts or numbers. */
  function fieldsOf(bytes: Uint8Array): Map<number, string | number | undefined> {
    const fields = new Map<number, string | number | undefined>();
    const reader = new ProtobufReader(bytes);
    while (reader.next()) {
      const value = reader.field === 3 ? reader.varint() : Buffer.from(reader.bytes() ?? []).toString('latin1');
      fields.set(reader.field, value);
    }
    return fields;
  }

  it('sends the request with token and cluster, and takes the chain apart', async () => {
    const issued = await createCertificate(options, request);
    assert.deepEqual(issued, { certificateChain: 'leaf\nintermediate\n', root: 'root\n' });
    assert.deepEqual(
      [...fieldsOf(asked!.request)],
      [
        [1, 'the request'],
        [3, 3600],
      ],
    );
    assert.deepEqual(asked!.metadata.get('authorization'), ['Bearer the token']);
    assert.deepEqual(asked!.metadata.get('clusterid'), ['east']);
  });

  it('names the signer where there are several', async () => {
    await createCertificate({ ...options, signer: 'clusterissuers.cert-manager.io/mesh' }, request);
    const struct = String(fieldsOf(asked!.request).get(4));
    assert.match(struct, /CertSigner/);
    assert.match(struct, /clusterissuers\.cert-manager\.io\/mesh/);
  });

  const refusals: readonly {
    name: string;
    options?: Partial<Record<'tokenFile' | 'rootCertificateFile' | 'address', string>>;
    answer?: () => Uint8Array | GrpcRefusal;
    message: RegExp;
  }[] = [
    {
      name: 'one-certificate-alone',
      answer: () => chainOf('leaf'),
      message: /^the CA answered without a certificate chain that ends in its root$/,
    },
    { name: 'no-message', answer: () => Buffer.from([0xff]), message: /no message of IstioCertificateResponse/ },
    {
      name: 'token-that-is-not-taken',
      options: { tokenFile: 'jwt' },
      answer: () => ({ code: grpcCodes.unauthenticated, details: 'request authenticate failure' }),
      message: /UNAUTHENTICATED: request authenticate failure; it does not take the token in .*audience is istio-ca/,
    },
    {
      name: 'token-that-is-no-jwt',
      answer: () => ({ code: grpcCodes.unauthenticated, details: 'request authenticate failure' }),
      message: /request authenticate failure; what is in the token file .* is no JWT: mount a projected/,
    },
    { name: 'no-token', options: { tokenFile: 'nowhere' }, message: /no token in .*nowhere; mount a projected/ },
    { name: 'no-root', options: { rootCertificateFile: 'nowhere' }, message: /nowhere cannot be read; mount the ConfigMap/ },
    {
      name: 'root-that-is-none',
      options: { rootCertificateFile: 'token' },
      message: /root certificate .*token holds no PEM cert/,
    },
    {
      name: 'another-root',
      options: { rootCertificateFile: 'other-root' },
      message: /UNAVAILABLE.*; check that istiod runs there and that .*other-root is its root$/,
    },
  ];
  for (const { name, options: others = {}, answer: said, message } of refusals) {
    it(`says why there is none, and what to do (${name})`, async () => {
      if (said !== undefined) answer = said();
      const files = Object.fromEntries(Object.entries(others).map(([key, file]) => [key, join(folder, file)]));
      await assert.rejects(createCertificate({ ...options, ...files }, request), (error: unknown) => {
        assert.ok(error instanceof CaError);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /the token$/);
        return true;
      });
    });
  }
});
