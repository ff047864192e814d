import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CertificateSource, CurrentCertificate } from '../../../../src/control-plane/istio/certificate-source.ts';
import { restartedByCertificate, StreamIdentity } from '../../../../src/control-plane/istio/secured-stream.ts';
import type { AdsClient, AdsListener } from '../../../../src/control-plane/xds/client/contract.ts';
import type { ControlPlaneStatus } from '../../../../src/model/contracts.ts';
import { PrivateKey } from '../../../../src/model/identity.ts';

const certificate: CurrentCertificate = {
  name: 'default',
  certificateChain: 'chain',
  privateKey: new PrivateKey('key'),
  notAfterMs: Infinity,
};

class Certificates implements CertificateSource {
  now: CurrentCertificate | undefined = undefined;
  renewals = 0;
  private readonly listeners: (() => void)[] = [];
  run = (): Promise<void> => Promise.resolve();
  current = (): CurrentCertificate | undefined => this.now;
  onChange = (listener: () => void): void => void this.listeners.push(listener);
  renewNow = (): void => void this.renewals++;
  set(next: CurrentCertificate): void {
    this.now = next;
    for (const listener of this.listeners) listener();
  }
}

describe('StreamIdentity', () => {
  it('shows the certificate once there is one', () => {
    const certificates = new Certificates();
    const identity = new StreamIdentity(certificates);
    assert.equal(identity.next(), undefined);
    identity.connected();
    assert.equal(identity.isWithoutCertificate, false);
    certificates.now = certificate;
    assert.equal(identity.isWithoutCertificate, true);
    assert.deepEqual(identity.next(), { certificateChain: 'chain', privateKey: 'key' });
    identity.connected();
    assert.equal(identity.isWithoutCertificate, false);
  });

  it('takes turns between certificate and token alone while connections fail', () => {
    const certificates = new Certificates();
    certificates.now = certificate;
    const identity = new StreamIdentity(certificates);
    const shown = [1, 2, 3, 4].map(() => identity.next() !== undefined);
    assert.deepEqual(shown, [true, false, true, false]);
  });

  it('asks for a new certificate when the token alone gets through where the certificate did not', () => {
    const certificates = new Certificates();
    certificates.now = certificate;
    const identity = new StreamIdentity(certificates);
    identity.next();
    identity.next();
    identity.connected();
    identity.connected();
    assert.equal(certificates.renewals, 1);
  });

  it('goes on with the certificate after a stream that worked has ended', () => {
    const certificates = new Certificates();
    certificates.now = certificate;
    const identity = new StreamIdentity(certificates);
    identity.next();
    identity.connected();
    assert.notEqual(identity.next(), undefined);
    assert.equal(certificates.renewals, 0);
  });
});

describe('restartedByCertificate', () => {
  /** A client whose streams stand at once and last until they are ended. */
  function standing(identity: StreamIdentity): AdsClient & { readonly streams: boolean[] } {
    const streams: boolean[] = [];
    return {
      streams,
      subscribe: () => {},
      unsubscribe: () => {},
      restored: () => {},
      run(listener, signal) {
        streams.push(identity.next() !== undefined);
        listener.onStatus({ state: 'connected' });
        return new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            listener.onStatus({ state: 'connecting' });
            resolve();
          });
        });
      },
    };
  }
  function listening(): AdsListener & { readonly statuses: ControlPlaneStatus[] } {
    const statuses: ControlPlaneStatus[] = [];
    return {
      statuses,
      onResponse: () => Promise.resolve([]),
      onAbsent: () => {},
      onStatus: (status) => void statuses.push(status),
    };
  }

  it('begins the stream again when the first certificate comes, and not for the next ones', async () => {
    const certificates = new Certificates();
    const identity = new StreamIdentity(certificates);
    const client = standing(identity);
    const listener = listening();
    const stop = new AbortController();
    const running = restartedByCertificate(client, certificates, identity).run(listener, stop.signal);
    assert.deepEqual(client.streams, [false]);
    certificates.set(certificate);
    await Promise.resolve();
    await new Promise(setImmediate);
    assert.deepEqual(client.streams, [false, true]);
    certificates.set({ ...certificate, certificateChain: 'next' });
    await new Promise(setImmediate);
    assert.deepEqual(client.streams, [false, true]);
    assert.deepEqual(
      listener.statuses.map(({ state }) => state),
      ['connected', 'connected'],
    );
    stop.abort();
    await running;
  });
});
