import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { consulSettings, type ConsulOptions } from '../../../../src/control-plane/consul/options.ts';
import { consulOptionsFromUrl } from '../../../../src/control-plane/consul/options-from-url.ts';

describe('consulOptionsFromUrl', () => {
  const rows: readonly { name: string; url: string; options: ConsulOptions }[] = [
    { name: 'host-and-port', url: 'consul://10.0.0.1:9500', options: { address: 'http://10.0.0.1:9500' } },
    { name: 'default-port', url: 'consul://agent', options: { address: 'http://agent:8500' } },
    { name: 'nothing-at-all', url: 'consul:', options: { address: 'http://127.0.0.1:8500' } },
    { name: 'ipv6', url: 'consul://[::1]:8500', options: { address: 'http://[::1]:8500' } },
    { name: 'tls', url: 'consul://agent?tls=true', options: { address: 'https://agent:8501' } },
    {
      name: 'tls-by-file',
      url: 'consul://agent:8501?ca-file=ca.pem',
      options: { address: 'https://agent:8501', tls: { caFile: 'ca.pem' } },
    },
    {
      name: 'everything',
      url: 'consul://agent:8500?token-file=/run/token&dc=dc2&tag=a&tag=b&only-passing=true&keep-last-instances=true&domain=mesh&wait=30s&name=east',
      options: {
        address: 'http://agent:8500',
        tokenFile: '/run/token',
        datacenter: 'dc2',
        tags: ['a', 'b'],
        onlyPassing: true,
        keepLastInstances: true,
        domain: 'mesh',
        waitMs: 30_000,
        name: 'east',
      },
    },
  ];
  for (const { name, url, options } of rows) {
    it(`reads a URL (${name})`, () => {
      assert.deepEqual(consulOptionsFromUrl(url), options);
    });
  }

  const wrong = [
    {
      name: 'unknown-parameter',
      url: 'consul://a?datacenter=dc1',
      message: /no parameter "datacenter"; there are token-file, dc/,
    },
    { name: 'token-in-url', url: 'consul://a?token=hunter2', message: /token-file/ },
    { name: 'user-name', url: 'consul://hunter2@a', message: /no user name/ },
    { name: 'path', url: 'consul://a/v1', message: /no path/ },
    { name: 'twice', url: 'consul://a?dc=1&dc=2', message: /given twice/ },
    { name: 'empty', url: 'consul://a?dc=', message: /"dc" is empty/ },
    { name: 'flag', url: 'consul://a?tls=yes', message: /true or false/ },
    { name: 'duration', url: 'consul://a?wait=5', message: /5m or 30s/ },
    { name: 'other-scheme', url: 'http://a:8500', message: /write consul:/ },
  ];
  for (const { name, url, message } of wrong) {
    it(`refuses a URL (${name}) without repeating a secret`, () => {
      assert.throws(
        () => consulOptionsFromUrl(url),
        (error: unknown) => error instanceof TypeError && message.test(error.message) && !error.message.includes('hunter2'),
      );
    });
  }
});

describe('consulSettings', () => {
  it('fills in the defaults', () => {
    const { origin, name, waitMs, tags, onlyPassing, hasToken, domain, maxConnections } = consulSettings({}, {});
    assert.deepEqual(
      { origin, name, waitMs, tags, onlyPassing, hasToken, domain, maxConnections },
      {
        origin: 'http://127.0.0.1:8500',
        name: 'consul',
        waitMs: 300_000,
        tags: [],
        onlyPassing: false,
        hasToken: false,
        domain: 'consul',
        maxConnections: 100,
      },
    );
  });

  const wrong: readonly { name: string; options: object; message: RegExp }[] = [
    { name: 'unknown-key', options: { adress: 'http://a' }, message: /consul\.adress: no such option; there are address/ },
    { name: 'not-a-url', options: { address: 'agent:8500' }, message: /http:\/\/host:8500/ },
    { name: 'address-with-path', options: { address: 'http://a:8500/v1' }, message: /host and port only/ },
    { name: 'address-with-token', options: { address: 'http://me:hunter2@a:8500' }, message: /tokenFile/ },
    { name: 'two-tokens', options: { token: 'hunter2', tokenFile: 'x' }, message: /not both/ },
    { name: 'token-with-line-break', options: { token: 'hunter2\nx-evil: 1' }, message: /one word/ },
    { name: 'tls-without-https', options: { tls: {} }, message: /not an https/ },
    { name: 'certificate-without-key', options: { address: 'https://a', tls: { certificateFile: 'x' } }, message: /go together/ },
    { name: 'unknown-tls-key', options: { address: 'https://a', tls: { ca: 'x' } }, message: /consul\.tls\.ca: no such option/ },
    { name: 'wait-too-long', options: { waitMs: 700_000 }, message: /from 1000 to 600000/ },
    { name: 'wait-not-whole', options: { waitMs: 1000.5 }, message: /whole number/ },
    { name: 'tags-not-a-list', options: { tags: 'v1' }, message: /list/ },
    { name: 'empty-tag', options: { tags: [''] }, message: /non-empty/ },
    { name: 'flag-not-boolean', options: { onlyPassing: 'yes' }, message: /true or false/ },
  ];
  for (const { name, options, message } of wrong) {
    it(`refuses a wrong option at set-up (${name})`, () => {
      assert.throws(
        () => consulSettings(options, {}),
        (error: unknown) =>
          (error instanceof TypeError || error instanceof RangeError) &&
          message.test(error.message) &&
          !error.message.includes('hunter2'),
      );
    });
  }

  it('names the PEM file that cannot be read', () => {
    assert.throws(() => consulSettings({ address: 'https://a', tls: { caFile: '/nowhere/ca.pem' } }, {}), {
      name: 'MeshError',
      code: 'MESH_CONFIG_UNREADABLE',
      message: /caFile.*\/nowhere\/ca\.pem/,
    });
  });
});
