import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { xdsControlPlane, xdsOptionsFromUrl, type XdsOptions } from '../../../../src/control-plane/xds/index.ts';

const servers = '127.0.0.1:15010';

describe('the options of xdsControlPlane', () => {
  for (const { name, options, error } of [
    { name: 'no-object', options: 'x', error: /takes an object of options/ },
    { name: 'unknown', options: { server: 'x' }, error: /xds has no option "server"; .*servers/ },
    { name: 'no-port', options: { servers: 'istiod' }, error: /xds.servers: the option "address" must be "host:port"/ },
    { name: 'no-address', options: { servers: {} }, error: /xds.servers needs an `address`/ },
    { name: 'no-servers', options: { servers: [] }, error: /"servers" is an empty list/ },
    { name: 'second-server', options: { servers: [servers, 'http://x:1'] }, error: /xds.servers\[1\]/ },
    {
      name: 'unknown-of-a-server',
      options: { servers: { address: servers, token: 'x' } },
      error: /xds.servers has no option "token"/,
    },
    { name: 'token-in-plaintext', options: { servers: { address: servers, tokenFile: '/t' } }, error: /not sent in plaintext/ },
    {
      name: 'half-a-certificate',
      options: { servers: { address: servers, tls: { certificateFile: '/c' } } },
      error: /`certificateFile` and `privateKeyFile` go together/,
    },
    { name: 'two-sources-of-servers', options: { servers, bootstrap: {} }, error: /`servers` or `bootstrap`, not both/ },
    { name: 'mode', options: { servers, mode: 'envoy' }, error: /"mode" must be "sidecar" or "proxyless"/ },
    { name: 'protocol', options: { servers, protocol: 'sotw' }, error: /"protocol" must be "delta" or "state-of-the-world"/ },
    { name: 'template', options: { servers, listenerName: 'x' }, error: /"listenerName" must be a text with %s/ },
    { name: 'node', options: { servers, node: {} }, error: /"node" must be an object with an `id`/ },
    { name: 'timeout', options: { servers, resourceTimeoutMs: 0 }, error: /"resourceTimeoutMs" must be milliseconds/ },
    { name: 'snapshot', options: { servers, snapshot: { maxAgeMs: 1 } }, error: /"snapshot" must be a folder/ },
    { name: 'snapshot-key', options: { servers, snapshot: { folder: '/x', age: 1 } }, error: /xds.snapshot has no option "age"/ },
    { name: 'bootstrap', options: { bootstrap: { xds_servers: [] } }, error: /xDS bootstrap .* has mistakes/ },
    { name: 'nothing-at-all', options: {}, error: /no xDS server is named: give `servers`, or set GRPC_XDS_BOOTSTRAP/ },
  ]) {
    it(`are refused by name: ${name}`, () => {
      assert.throws(() => xdsControlPlane(options as XdsOptions, {}), error);
    });
  }

  it('may be a server alone, a list, or the bootstrap of the environment', () => {
    const bootstrap = JSON.stringify({
      xds_servers: [{ server_uri: servers, channel_creds: [{ type: 'insecure' }] }],
      node: { id: 'me' },
    });
    for (const options of [{ servers }, { servers: [servers, { address: '[::1]:1', tls: true }] }, {}]) {
      assert.equal(xdsControlPlane(options, { GRPC_XDS_BOOTSTRAP_CONFIG: bootstrap }).name, 'xds');
    }
  });
});

describe('an xds: URL', () => {
  it('has the server, and the rest as parameters', () => {
    assert.deepEqual(xdsOptionsFromUrl('xds://127.0.0.1:15010'), { servers: { address: '127.0.0.1:15010' } });
    assert.deepEqual(
      xdsOptionsFromUrl(
        'xds://istiod.istio-system.svc:15012?node=sidecar~1.2.3.4~a.b~b.svc.cluster.local&roots-file=/r&token-file=/t&snapshot=/s&protocol=delta',
      ),
      {
        servers: { address: 'istiod.istio-system.svc:15012', tls: { rootsFile: '/r' }, tokenFile: '/t' },
        node: { id: 'sidecar~1.2.3.4~a.b~b.svc.cluster.local' },
        protocol: 'delta',
        snapshot: '/s',
      },
    );
  });

  it('stands for the bootstrap of the environment where it has no server', () => {
    assert.deepEqual(xdsOptionsFromUrl('xds:?mode=proxyless'), { mode: 'proxyless' });
  });

  for (const { name, url, error } of [
    { name: 'no-port', url: 'xds://istiod', error: /has no port/ },
    { name: 'path', url: 'xds://istiod:1/x', error: /has no path/ },
    { name: 'user', url: 'xds://me:secret@istiod:1', error: /takes no user name/ },
    { name: 'token', url: 'xds://istiod:1?token=x', error: /ends up in logs/ },
    { name: 'unknown', url: 'xds://istiod:1?nod=x', error: /no parameter "nod"/ },
    { name: 'twice', url: 'xds://istiod:1?node=a&node=b', error: /given twice/ },
    { name: 'empty', url: 'xds://istiod:1?node=', error: /is empty/ },
    { name: 'tls-twice', url: 'xds://istiod:1?tls=false&roots-file=/r', error: /tls=false goes with no file/ },
    { name: 'tls-of-nobody', url: 'xds:?tls=true', error: /those of the bootstrap/ },
    { name: 'cluster-of-nobody', url: 'xds://istiod:1?cluster=c', error: /"cluster" needs "node"/ },
  ]) {
    it(`is refused by what is wrong: ${name}`, () => {
      assert.throws(
        () => xdsOptionsFromUrl(url),
        (thrown: Error) => {
          assert.ok(thrown instanceof TypeError);
          assert.match(thrown.message, error);
          assert.equal(thrown.message.includes('secret'), false);
          return true;
        },
      );
    });
  }
});
