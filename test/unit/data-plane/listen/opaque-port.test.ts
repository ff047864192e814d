/** A port that the policy takes for bytes: who connects is looked at, and what comes is HTTP to the program. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { AuthorizationPolicyConfig } from '../../../../src/model/authorization.ts';
import type { CertificateAuthority, IssuedCertificate } from '../../../../src/security/certificate-authority.ts';
import { testAuthority, workloadCertificate } from '../../../support/certificates.ts';
import { policyOf } from '../../../support/inbound.ts';
import {
  askHttp1,
  askHttp2,
  clientOptions,
  dial,
  http2Session,
  listening,
  meshListener,
  mutualChain,
  plaintextChain,
  readToEnd,
} from '../../../support/listening.ts';

/** As a sidecar of Istio offers them for a port that is not HTTP. */
const ALPNProtocols = ['istio-peer-exchange', 'istio'];

const fromClient: AuthorizationPolicyConfig = {
  name: 'from-client',
  action: 'allow',
  rules: [
    {
      name: 'client',
      principals: [{ kind: 'identity', match: { kind: 'exact', value: 'spiffe://example.org/client' } }],
      permissions: [{ kind: 'any' }],
    },
  ],
};

describe('a port whose chain is opaque', () => {
  let authority: CertificateAuthority;
  let ours: IssuedCertificate;
  let client: IssuedCertificate;
  let other: IssuedCertificate;
  before(async () => {
    authority = await testAuthority();
    ours = await workloadCertificate(authority, 'server');
    client = await workloadCertificate(authority, 'client');
    other = await workloadCertificate(authority, 'other');
  });

  it('serves whom the rules of connections let in, over both versions of HTTP, and closes the others', async (t) => {
    const chain = mutualChain({ protocol: 'opaque', connectionAuthorization: [fromClient] });
    const port = await listening(t, {
      authority,
      issued: ours,
      listeners: [meshListener({ mode: 'strict', filterChains: [chain] })],
    });
    const tls = { ...clientOptions(authority, client), ALPNProtocols };
    assert.equal((await askHttp1(port.port, { tls })).body, 'ok');
    const session = await http2Session(port.port, tls);
    assert.equal((await askHttp2(session)).body, 'ok');
    session.destroy();
    await assert.rejects(askHttp1(port.port, { tls: { ...clientOptions(authority, other), ALPNProtocols } }));
    const refused = await port.refusal();
    assert.deepEqual(
      [refused.reason, refused.detail, refused.peer],
      ['denied', 'rbac_access_denied_matched_policy[none]', 'spiffe://example.org/other'],
    );
    assert.equal((await askHttp1(port.port)).body, 'this port takes mutual TLS only');
  });

  it('refuses a connection that somebody would have to be asked about', async (t) => {
    const ask = policyOf('custom', [{ kind: 'any' }], { provider: 'checker' });
    const chain = plaintextChain({ protocol: 'opaque', connectionAuthorization: [ask] });
    const port = await listening(t, { listeners: [meshListener({ filterChains: [chain] })] });
    await assert.rejects(askHttp1(port.port));
    assert.equal((await port.refusal()).reason, 'denied');
  });

  it('takes no TLS that would have to be passed through', async (t) => {
    const chain = mutualChain({ protocol: 'tls', tls: undefined as never });
    const port = await listening(t, { authority, issued: ours, listeners: [meshListener({ filterChains: [chain] })] });
    await assert.rejects(askHttp1(port.port, { tls: clientOptions(authority, client) }));
    assert.equal((await port.refusal()).reason, 'tls_not_taken');
  });

  it('answers what is no HTTP as any other port does', async (t) => {
    const port = await listening(t, { listeners: [meshListener({ filterChains: [plaintextChain({ protocol: 'opaque' })] })] });
    assert.equal((await askHttp1(port.port)).body, 'ok');
    const socket = await dial(port.port);
    socket.write('\x00\x01garbage\r\n\r\n');
    assert.match(await readToEnd(socket), /^HTTP\/1\.1 400 /);
  });
});
