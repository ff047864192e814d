import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import type { ClientCertificateConfig } from '../../../../src/data-plane/inbound/client-certificate-header.ts';
import { compileHeaderGuard } from '../../../../src/data-plane/inbound/header-guard.ts';
import type { InboundConnection } from '../../../../src/data-plane/inbound/inbound-connection.ts';
import { identityOfPeer } from '../../../../src/security/peer-identity.ts';
import { inboundRequest } from '../../../support/access-request.ts';
import { testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { nodeRequest } from '../../../support/node-request.ts';

const authority = await testAuthority();
const certificate = new X509Certificate((await workloadCertificate(authority, 'payments')).certificateChain);
const identity = identityOfPeer(certificate);
const plaintext = inboundRequest().access.connection;
const mutual: InboundConnection = { ...plaintext, isTls: true, certificate, identity };
const hash = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
const own = 'spiffe://example.org/orders';
const names = 'URI=spiffe://example.org/payments;DNS=payments;DNS=localhost';
const told = 'By=spiffe://example.org/payments;URI=spiffe://example.org/shop';

/** What the handler gets of the header. */
function handed(
  mode: ClientCertificateConfig['mode'] | undefined,
  sent: readonly string[],
  {
    connection = mutual,
    fields = ['uri', 'dns'],
    isTrusted = false,
  }: {
    connection?: InboundConnection;
    fields?: ClientCertificateConfig['fields'];
    isTrusted?: boolean;
  } = {},
): readonly string[] {
  const guard = compileHeaderGuard(mode === undefined ? {} : { forwardClientCertificate: { mode, fields } }, () => [own]);
  const request = nodeRequest(['Host', 'orders', ...sent.flatMap((value) => ['X-Forwarded-Client-Cert', value])]);
  guard(request, connection, isTrusted);
  return request.headersDistinct['x-forwarded-client-cert'] ?? [];
}

describe('x-forwarded-client-cert', () => {
  // Each as Envoy 1.40 does it.
  const rows: readonly {
    readonly name: string;
    readonly mode?: ClientCertificateConfig['mode'];
    readonly sent?: readonly string[];
    readonly connection?: InboundConnection;
    readonly becomes: readonly string[];
  }[] = [
    { name: 'no-mode', sent: [told], becomes: [] },
    { name: 'sanitize', mode: 'sanitize', sent: [told], becomes: [] },
    { name: 'sanitize-set', mode: 'sanitize-set', sent: [told], becomes: [`By=${own};Hash=${hash};${names}`] },
    { name: 'sanitize-set-without-one-before', mode: 'sanitize-set', becomes: [`By=${own};Hash=${hash};${names}`] },
    { name: 'append-forward', mode: 'append-forward', sent: [told], becomes: [`${told},By=${own};Hash=${hash};${names}`] },
    {
      name: 'append-forward-to-several',
      mode: 'append-forward',
      sent: ['By=a', 'By=b'],
      becomes: [`By=a,By=b,By=${own};Hash=${hash};${names}`],
    },
    { name: 'append-forward-to-an-empty-one', mode: 'append-forward', sent: [''], becomes: [`By=${own};Hash=${hash};${names}`] },
    { name: 'forward-only', mode: 'forward-only', sent: [told], becomes: [told] },
    { name: 'always-forward-only', mode: 'always-forward-only', sent: [told], becomes: [told] },
    { name: 'sanitize-set-of-plaintext', mode: 'sanitize-set', sent: [told], connection: plaintext, becomes: [] },
    { name: 'append-forward-of-plaintext', mode: 'append-forward', sent: [told], connection: plaintext, becomes: [] },
    { name: 'forward-only-of-plaintext', mode: 'forward-only', sent: [told], connection: plaintext, becomes: [] },
    {
      name: 'always-forward-only-of-plaintext',
      mode: 'always-forward-only',
      sent: [told],
      connection: plaintext,
      becomes: [told],
    },
  ];
  for (const { name, mode, sent = [], connection = mutual, becomes } of rows)
    it(name, () => assert.deepEqual(handed(mode, sent, { connection }), becomes));

  it('is believed of trusted peers where no source says what becomes of it', () =>
    assert.deepEqual(handed(undefined, [told], { isTrusted: true }), [told]));

  it('is made by the mode of the source for trusted peers, too', () =>
    assert.deepEqual(handed('sanitize', [told], { isTrusted: true }), []));

  it('is not taken under another spelling', () => {
    const guard = compileHeaderGuard({ forwardClientCertificate: { mode: 'append-forward', fields: [] } }, () => [own]);
    const request = nodeRequest(['Host', 'orders', 'X_Forwarded_Client_Cert', told]);
    guard(request, mutual, false);
    assert.deepEqual(request.headers, { host: 'orders', 'x-forwarded-client-cert': `By=${own};Hash=${hash}` });
  });

  it('has the certificate in a form that survives a header', () => {
    const [value = ''] = handed('sanitize-set', [], { fields: ['cert'] });
    const text = /Cert="([^"]*)"$/.exec(value)?.[1] ?? '';
    assert.equal(new X509Certificate(decodeURIComponent(text)).fingerprint256, certificate.fingerprint256);
  });

  it('has the subject as RFC 2253 writes it', () => {
    const subject = String.raw`C=DE\nO=Acme\, Inc.\nCN=z + OU=ü`.replaceAll(String.raw`\n`, '\n');
    const named = Object.create(certificate, { subject: { value: subject } }) as X509Certificate;
    Object.defineProperty(named, 'fingerprint256', { value: 'AA' });
    const [value] = handed('sanitize-set', [], { connection: { ...mutual, certificate: named }, fields: ['subject'] });
    assert.equal(value, String.raw`By=spiffe://example.org/orders;Hash=aa;Subject="OU=\C3\BC+CN=z,O=Acme\, Inc.,C=DE"`);
  });

  it('says of a certificate without such a name that it has none', () => {
    const nameless = { ...mutual, identity: { ...identity, uris: [], dnsNames: [] } };
    assert.deepEqual(handed('sanitize-set', [], { connection: nameless }), [`By=${own};Hash=${hash};URI=`]);
  });

  it('cannot be broken out of by a name in the certificate (T-SPOOF)', () => {
    const uri = 'spiffe://example.org/a;URI=spiffe://example.org/admin,By="\r\nx: y"';
    const [value = ''] = handed('sanitize-set', [], {
      connection: { ...mutual, identity: { ...identity, uris: [uri] } },
      fields: ['uri'],
    });
    assert.equal(
      value,
      `By=${own};Hash=${hash};URI=spiffe://example.org/a%3BURI=spiffe://example.org/admin%2CBy=%22%0D%0Ax:%20y%22`,
    );
  });

  it('is made once for each connection', () => {
    let asked = 0;
    const guard = compileHeaderGuard({ forwardClientCertificate: { mode: 'sanitize-set', fields: [] } }, () => {
      asked += 1;
      return [own];
    });
    for (let count = 0; count < 3; count++) guard(nodeRequest(['Host', 'orders']), mutual, false);
    assert.equal(asked, 1);
  });
});
