import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEndpoint } from '../../../../src/control-plane/spiffe/endpoint.ts';
import { spiffeControlPlane, spiffeOptionsFromUrl } from '../../../../src/control-plane/spiffe/index.ts';

const good: readonly { readonly text: string; readonly address: string }[] = [
  { text: 'unix:///run/spire/agent.sock', address: 'unix:/run/spire/agent.sock' },
  { text: 'unix:/run/spire/agent.sock', address: 'unix:/run/spire/agent.sock' },
  { text: 'tcp://127.0.0.1:8081', address: '127.0.0.1:8081' },
  { text: 'tcp://[::1]:8081', address: '[::1]:8081' },
];

const bad: readonly { readonly name: string; readonly text: string; readonly reason: RegExp }[] = [
  { name: 'path-alone', text: '/run/spire/agent.sock', reason: /it is no URL/ },
  { name: 'relative-path', text: 'unix:agent.sock', reason: /absolute path and no host/ },
  { name: 'host-of-a-socket', text: 'unix://host/agent.sock', reason: /absolute path and no host/ },
  { name: 'no-path', text: 'unix:///', reason: /absolute path and no host/ },
  { name: 'query', text: 'unix:///agent.sock?x=1', reason: /a query or a fragment/ },
  { name: 'other-scheme', text: 'http://127.0.0.1:8081', reason: /the scheme is "http", not unix or tcp/ },
  { name: 'no-port', text: 'tcp://127.0.0.1', reason: /an address with a port/ },
  { name: 'path-after-a-port', text: 'tcp://127.0.0.1:8081/x', reason: /nothing more/ },
  { name: 'user', text: 'tcp://me@127.0.0.1:8081', reason: /not an IP address/ },
  { name: 'host-name', text: 'tcp://agent:8081', reason: /not an IP address/ },
  { name: 'port-out-of-range', text: 'tcp://127.0.0.1:70000', reason: /from 1 to 65535/ },
];

describe('the endpoint of a Workload API', () => {
  for (const { text, address } of good) it(`is read: ${text}`, () => assert.equal(readEndpoint(text, 'x').address, address));
  for (const { name, text, reason } of bad)
    it(`is refused with its reason and the remedy: ${name}`, () => {
      assert.throws(
        () => readEndpoint(text, 'SPIFFE_ENDPOINT_SOCKET'),
        (error: Error) => {
          assert.ok(error instanceof TypeError);
          assert.match(error.message, reason);
          assert.match(error.message, /^SPIFFE_ENDPOINT_SOCKET is ".*give unix:\/\/\/path/);
          return true;
        },
      );
    });

  it('is that of the option, else of the variable, else a mistake that is named', () => {
    const environment = { SPIFFE_ENDPOINT_SOCKET: 'unix:///of/the/variable' };
    const nameOf = (options?: object, from = environment): string => spiffeControlPlane(options, from).identity.name;
    assert.match(nameOf(), /at unix:\/\/\/of\/the\/variable$/);
    assert.match(nameOf({ endpoint: 'tcp://127.0.0.1:1' }), /at tcp:\/\/127\.0\.0\.1:1$/);
    assert.throws(() => spiffeControlPlane({}, {}), /set SPIFFE_ENDPOINT_SOCKET or `endpoint`/);
  });

  it('may stand in the URL of the control plane', () => {
    assert.deepEqual(spiffeOptionsFromUrl('spiffe:'), {});
    assert.deepEqual(spiffeOptionsFromUrl('spiffe:unix:///a/b.sock'), { endpoint: 'unix:///a/b.sock' });
    assert.throws(() => spiffeOptionsFromUrl('unix:///a'), /write spiffe:/);
  });
});

const wrong: readonly { readonly name: string; readonly options: object; readonly reason: RegExp }[] = [
  { name: 'unknown', options: { endpont: 'x' }, reason: /spiffe\.endpont: no such option; did you mean "endpoint"/ },
  { name: 'empty-hint', options: { hint: '' }, reason: /spiffe\.hint: must be a non-empty string/ },
  { name: 'no-spiffe-id', options: { spiffeId: 'web' }, reason: /spiffe\.spiffeId: not the SPIFFE ID of a workload/ },
  { name: 'trust-domain-alone', options: { spiffeId: 'spiffe://own.test' }, reason: /it names no workload/ },
  { name: 'choice-without-svids', options: { bundlesOnly: true, hint: 'x' }, reason: /has none to choose/ },
  { name: 'bundles-only-as-text', options: { bundlesOnly: 'yes' }, reason: /bundlesOnly: must be true or false/ },
];

describe('the options of spiffeControlPlane', () => {
  for (const { name, options, reason } of wrong)
    it(`are refused: ${name}`, () => {
      assert.throws(() => spiffeControlPlane({ endpoint: 'unix:///a/b', ...options }), { name: 'TypeError', message: reason });
    });
});
