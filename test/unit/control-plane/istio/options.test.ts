import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkIstioOptions, istioOptionsFromUrl, type IstioOptions } from '../../../../src/control-plane/istio/options.ts';

describe('istioOptionsFromUrl', () => {
  const rows: readonly { name: string; url: string; options: IstioOptions }[] = [
    { name: 'everything-from-the-pod', url: 'istio:', options: {} },
    { name: 'host', url: 'istio://istiod.mesh.svc', options: { discoveryAddress: 'istiod.mesh.svc:15012' } },
    { name: 'host-and-port', url: 'istio://127.0.0.1:4000', options: { discoveryAddress: '127.0.0.1:4000' } },
    { name: 'ipv6', url: 'istio://[::1]:4000', options: { discoveryAddress: '[::1]:4000' } },
  ];
  for (const { name, url, options } of rows) {
    it(`reads a URL (${name})`, () => {
      assert.deepEqual(istioOptionsFromUrl(url), options);
      checkIstioOptions(options);
    });
  }

  for (const url of ['istio://user@host', 'istio://host/path', 'istio://host?token=x', 'xds://host']) {
    it(`refuses what it would not use: ${url}`, () => {
      assert.throws(() => istioOptionsFromUrl(url), /write `istio:` or `istio:\/\/host:15012`/);
    });
  }
});

describe('checkIstioOptions', () => {
  const rows: readonly { name: string; options: Record<string, unknown>; message: RegExp }[] = [
    { name: 'unknown', options: { nameSpace: 'shop' }, message: /no option "nameSpace"; did you mean "namespace"\?/ },
    { name: 'address', options: { discoveryAddress: 'https://x' }, message: /istio\.discoveryAddress: must be host:port/ },
    { name: 'port', options: { caAddress: 'x:70000' }, message: /istio\.caAddress: must be host:port/ },
    { name: 'labels', options: { labels: { app: 1 } }, message: /istio\.labels: must be an object of texts/ },
    { name: 'lifetime', options: { certificateValiditySeconds: 0 }, message: /whole number of seconds above 0/ },
    { name: 'stand-down', options: { standDown: true }, message: /"auto" or "never"/ },
  ];
  for (const { name, options, message } of rows) {
    it(`names the mistake (${name})`, () => {
      assert.throws(() => checkIstioOptions(options), message);
    });
  }
});
