/** What TLS contexts and secrets come to where they say more than roots and names: nothing of it may get lost and leave less. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readCluster, readSecret } from '../../../../src/control-plane/xds/translate/received.ts';
import type { UpstreamTls } from '../../../../src/model/tls.ts';
import { envoyBytes } from '../../../support/envoy-bytes.ts';
import { manager, tlsSocket, wayIn, type Json } from './inbound/way-in.ts';

const types = 'type.googleapis.com/envoy.extensions.transport_sockets';

const roots = { trusted_ca: { inline_string: 'some roots' } };
const bySds = (name: string): Json => ({ name, sds_config: { ads: {} } });
const validator = (name: string, type: string, config: Json = {}): Json => ({
  custom_validator_config: { name, typed_config: { '@type': `type.googleapis.com/${type}`, ...config } },
});
const spiffe = (config: Json): Json =>
  validator('envoy.tls.cert_validator.spiffe', 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig', config);
const domain = (name: string, more: Json = {}): Json => ({ name, trust_bundle: { inline_string: `roots of ${name}` }, ...more });
const ab = spiffe({ trust_domains: [domain('a.test'), domain('b.test')] });

function upstream(common: Json, more: Json = {}): Json {
  const context = { '@type': `${types}.tls.v3.UpstreamTlsContext`, sni: 'x', common_tls_context: common, ...more };
  return { transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: context } };
}

/** What becomes of a cluster with this socket. */
function read(part: Json) {
  const bytes = envoyBytes({ name: 'c', type: 'EDS', connect_timeout: '1s', ...part }, 'envoy.config.cluster.v3.Cluster');
  const { value, findings, secrets } = readCluster(bytes, { mode: 'sidecar' });
  const tls: UpstreamTls | undefined = value?.value.tls;
  const trust = tls === undefined || tls.mode === 'disabled' ? undefined : tls.trust;
  const given = secrets.flatMap((secret) =>
    'trustBundle' in secret && secret.trustBundle.name === trust ? secret.trustBundle : [],
  );
  return {
    tls,
    trust,
    domains: given.flatMap(({ trustDomain, federated = [] }) => [trustDomain, ...federated.map((other) => other.trustDomain)]),
    problems: findings.problems.map(({ path, reason }) => `${path} ${reason}`),
    unhonoured: findings.unhonoured.map(({ path, reason }) => `${path} ${reason}`),
    value,
  };
}

describe('a validator of SPIFFE', () => {
  const placed: readonly { name: string; common: Json }[] = [
    { name: 'alone', common: { validation_context: ab } },
    {
      name: 'beside-roots-of-sds',
      common: {
        combined_validation_context: { default_validation_context: ab, validation_context_sds_secret_config: bySds('ROOTCA') },
      },
    },
    { name: 'beside-other-roots', common: { validation_context: { ...ab, ...roots } } },
    {
      name: 'beside-a-provider',
      common: { validation_context: { ...ab, ca_certificate_provider_instance: { instance_name: 'p' } } },
    },
    {
      name: 'beside-an-older-provider',
      common: {
        combined_validation_context: {
          default_validation_context: ab,
          validation_context_certificate_provider_instance: { instance_name: 'p' },
        },
      },
    },
  ];
  for (const { name, common } of placed) {
    it(`lost its trust domains to the roots that stand elsewhere (${name})`, () => {
      const { domains, tls, problems } = read(upstream(common));
      assert.deepEqual(problems, []);
      assert.deepEqual(domains, ['a.test', 'b.test']);
      assert.deepEqual(tls?.mode === 'disabled' ? undefined : tls?.peers, [{ kind: 'uri', match: 'prefix', value: 'spiffe://' }]);
    });

    it(`lost its trust domains to the roots that stand elsewhere on the way in (${name})`, () => {
      const socket = tlsSocket(
        { ...common, tls_certificate_sds_secret_configs: [{ name: 'default' }] },
        { require_client_certificate: true },
      );
      const { chain, tls } = wayIn({ filter_chains: [{ transport_socket: socket, filters: [manager([])] }] });
      assert.match(chain.tls?.trust ?? '', /^inline:/);
      assert.equal(tls.secrets.length, 1);
    });
  }

  it('tells that the roots of a secret are not used', () => {
    const { unhonoured } = read(upstream(placed[1]!.common));
    assert.match(unhonoured.join('\n'), /custom_validator_config has roots of its own: those of "ROOTCA" are not used/);
  });

  it('accepted a name of DNS where names of SPIFFE are asked for, too', () => {
    const match_typed_subject_alt_names = [
      { san_type: 'URI', matcher: { exact: 'spiffe://a.test/x' } },
      { san_type: 'DNS', matcher: { exact: 'x' } },
    ];
    const { tls } = read(upstream({ validation_context: { ...ab, match_typed_subject_alt_names } }));
    assert.deepEqual(tls?.mode === 'disabled' ? undefined : tls?.peers, [
      { kind: 'uri', match: 'exact', value: 'spiffe://a.test/x' },
    ]);
  });

  it('is refused where a trust domain is there twice, as in Envoy', () => {
    const { problems, value } = read(
      upstream({ validation_context: spiffe({ trust_domains: [domain('a.test'), domain('a.test')] }) }),
    );
    assert.match(problems.join('\n'), /"a\.test" is there twice/);
    assert.equal(value, undefined);
  });

  const more: readonly { name: string; config: Json }[] = [
    { name: 'bundles-of-their-own', config: { trust_domains: [domain('a.test')], trust_bundles: { inline_string: '{}' } } },
    { name: 'by-our-own-domain', config: { trust_domains: [domain('a.test', { workload_trust_domain: 'b.test' })] } },
  ];
  for (const { name, config } of more)
    it(`lets no connection come about where it asks for more than roots by trust domain (${name})`, () => {
      assert.match(read(upstream({ validation_context: spiffe(config) })).trust ?? '', /^not carried out: /);
    });
});

describe('a secret with roots', () => {
  const readRoots = (context: Json) =>
    readSecret(envoyBytes({ name: 'x', validation_context: context }, `${types.slice(20)}.tls.v3.Secret`));

  const refused: readonly { name: string; context: Json; because: RegExp }[] = [
    {
      name: 'unknown-validator',
      context: { ...roots, ...validator('other', 'foo.Bar') },
      because: /validator that is not carried out/,
    },
    { name: 'nameless-validator', context: { ...roots, custom_validator_config: { name: 'other' } }, because: /validator/ },
    { name: 'validator-without-domains', context: { ...roots, ...spiffe({}) }, because: /validator/ },
    { name: 'depth', context: { ...roots, max_verify_depth: 1 }, because: /max_verify_depth/ },
    {
      name: 'provider',
      context: { ...roots, ca_certificate_provider_instance: { instance_name: 'p' } },
      because: /not read in a secret/,
    },
    {
      name: 'provider-alone',
      context: { ca_certificate_provider_instance: { instance_name: 'p' } },
      because: /not read in a secret/,
    },
    { name: 'system-roots', context: { system_root_certs: {} }, because: /trusted_ca must be there/ },
    { name: 'crl', context: { ...roots, crl: { inline_string: 'a list' } }, because: /not read in a secret/ },
  ];
  for (const { name, context, because } of refused)
    it(`was taken for bare roots, without the test in it (${name})`, () => {
      const { value, findings } = readRoots(context);
      assert.equal(value, undefined);
      assert.match(findings.problems.map(({ path, reason }) => `${path} ${reason}`).join('\n'), because);
    });

  it('keeps the trust domains of a validator', () => {
    const { value, findings } = readRoots({ ...ab, max_verify_depth: 100 });
    assert.deepEqual(findings.problems, []);
    assert.ok(value !== undefined && 'trustBundle' in value);
    const { name, trustDomain, federated } = value.trustBundle;
    assert.deepEqual([name, trustDomain, federated?.map((other) => other.trustDomain)], ['x', 'a.test', ['b.test']]);
  });
});

describe('a transport socket', () => {
  const typed = (type: string, name = 'x'): Json => ({ name, typed_config: { '@type': `${types}.${type}` } });
  const plain: readonly { name: string; socket: Json }[] = [
    { name: 'by-type', socket: typed('raw_buffer.v3.RawBuffer') },
    { name: 'by-name', socket: { name: 'envoy.transport_sockets.raw_buffer' } },
  ];
  for (const { name, socket } of plain)
    it(`is plaintext where it is raw_buffer (${name})`, () => {
      assert.deepEqual(read({ transport_socket: socket }).tls, { mode: 'disabled' });
    });

  const unknown: readonly { name: string; socket: Json }[] = [
    { name: 'raw-buffer-in-the-name', socket: { name: 'my_raw_buffer_encrypted' } },
    { name: 'raw-buffer-in-the-type', socket: typed('raw_buffer_encrypted.v3.Config', 'envoy.transport_sockets.raw_buffer') },
    { name: 'short-name', socket: { name: 'raw_buffer' } },
    { name: 'tls-without-a-context', socket: { name: 'envoy.transport_sockets.tls' } },
    { name: 'context-of-the-other-side', socket: typed('tls.v3.DownstreamTlsContext') },
    { name: 'unknown-around-nothing', socket: typed('tcp_stats.v3.Config') },
  ];
  for (const { name, socket } of unknown)
    it(`was taken for plaintext by a part of its name (${name})`, () => {
      const { tls, trust } = read({ transport_socket: socket });
      assert.equal(tls?.mode, 'simple');
      assert.match(trust ?? '', /^not carried out: /);
    });

  for (const { name, socket } of [unknown[0]!, unknown[1]!, { name: 'other-side', socket: typed('tls.v3.UpstreamTlsContext') }])
    it(`was taken for plaintext by a part of its name on the way in (${name})`, () => {
      const { problems } = wayIn({ filter_chains: [{ transport_socket: socket, filters: [manager([])] }] });
      assert.match(problems[0]?.reason ?? '', /is not known here/);
    });

  it('that is left out of a match was taken for plaintext', () => {
    const { problems, value } = read({ transport_socket_matches: [{ name: 'm', match: { tlsMode: 'istio' } }] });
    assert.match(problems.join('\n'), /^transport_socket_matches\[0\]\.transport_socket must be there/);
    assert.equal(value, undefined);
  });
});
