/**
 * Access rules beside a real Envoy: generated rules and hostile requests, byte for byte the same, to Envoy's RBAC filters and to
 * `mesh.listen`: same status, same name of the policy. Callers have certificates of several workloads, tokens, addresses.
 *
 * Two differences are meant, and told apart from mistakes here. Hosts are brought into one form before rules see them, so that Envoy is
 * asked about that form. And rules that keep requests out are not talked out of it by a second value of a header (see header-test.ts):
 * there the mesh refuses what Envoy lets in, and never the other way round.
 */
import assert from 'node:assert/strict';
import { sign, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createSecureContext, type SecureContext } from 'node:tls';
import { createMesh, type Mesh } from 'meshfetch';
import { seededRandom } from 'meshfetch/testing';
import { joinedRequestHeaders } from '../../../src/data-plane/routing/joined-headers.ts';
import type { IssuedCertificate } from '../../../src/security/certificate-authority.ts';
import { testAuthority, validity, writeIdentityFiles } from '../../support/certificates.ts';
import { envoyPlane } from '../../support/envoy-plane.ts';
import {
  accessCases,
  accessPolicies,
  callers,
  connectionPolicies,
  names,
  type AccessCase,
  type AccessPolicy,
  type Caller,
} from './access-cases.ts';
import { startEnvoy, type EnvoyProcess } from './envoy-process.ts';
import { rawExchange } from './raw-exchange.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];
const skip = binary === undefined && 'MESHFETCH_LIVE_ENVOY is not set; `npm run live -- envoy` gets an Envoy';
const seed = Number(process.env['ACCESS_SEED'] ?? 20_261_123);
const policyCount = Number(process.env['ACCESS_POLICIES'] ?? 60);
const casesPerPolicy = 10;

const random = seededRandom(seed);
const requestPolicies = accessPolicies(random, policyCount);
const policies = [...requestPolicies, ...connectionPolicies];
const cases = requestPolicies.flatMap((_, index) => accessCases(random, index, casesPerPolicy));

const types = 'type.googleapis.com/envoy.extensions';
const issuer = 'https://issuer.example';
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const tokens = {
  admin: token({ sub: 'root', role: 'admin', groups: ['ops', 'dev'], org: { tier: 1, active: true } }),
  user: token({ sub: 'joe', role: 'user', groups: 'ops', org: { tier: 3, active: false } }),
};

function token(claims: object): string {
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = { iss: issuer, aud: 'orders', exp: 4_000_000_000, ...claims };
  const signed = `${encoded({ alg: 'ES256', kid: 'k', typ: 'JWT' })}.${encoded(body)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key: keys.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

function tokenFilter(): object {
  const jwks = { keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256', use: 'sig' }] };
  const provider = {
    issuer,
    audiences: ['orders'],
    forward: true,
    payload_in_metadata: 'payload',
    local_jwks: { inline_string: JSON.stringify(jwks) },
  };
  const requirements = [{ provider_name: 'p' }, { allow_missing: {} }];
  return {
    name: 'envoy.filters.http.jwt_authn',
    typed_config: {
      '@type': `${types}.filters.http.jwt_authn.v3.JwtAuthentication`,
      providers: { p: provider },
      rules: [{ match: { prefix: '/' }, requires: { requires_any: { requirements } } }],
    },
  };
}

/** The chains of one policy, in TLS and in plaintext, around a certificate that each side names in its way. */
function listenerOf(policy: AccessPolicy, index: number, port: number, certificate: object): object {
  const details = { header: { key: 'x-details', value: '%RESPONSE_CODE_DETAILS%' } };
  const manager = {
    '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'in',
    use_remote_address: true,
    ...policy.manager,
    local_reply_config: {
      mappers: [
        {
          filter: { status_code_filter: { comparison: { op: 'GE', value: { default_value: 300, runtime_key: 'none' } } } },
          headers_to_add: [details],
        },
      ],
    },
    http_filters: [
      ...(policy.hasTokens ? [tokenFilter()] : []),
      ...policy.filters({ port }),
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${types}.filters.http.router.v3.Router` } },
    ],
    route_config: {
      name: `r${index}`,
      virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] }],
    },
  };
  const network = policy.network && {
    name: 'envoy.filters.network.rbac',
    typed_config: {
      '@type': `${types}.filters.network.rbac.v3.RBAC`,
      stat_prefix: 'in',
      rules: policy.network({ port }),
    },
  };
  const filters = [
    ...(network === undefined ? [] : [network]),
    { name: 'envoy.filters.network.http_connection_manager', typed_config: manager },
  ];
  const tls = {
    '@type': `${types}.transport_sockets.tls.v3.DownstreamTlsContext`,
    common_tls_context: { ...certificate, alpn_protocols: ['http/1.1'] },
    require_client_certificate: false,
  };
  return {
    name: `in-${index}`,
    traffic_direction: 'INBOUND',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    listener_filters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typed_config: { '@type': `${types}.filters.listener.tls_inspector.v3.TlsInspector` },
      },
    ],
    filter_chains: [
      {
        name: 'tls',
        filter_chain_match: { transport_protocol: 'tls' },
        transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls },
        filters,
      },
      { name: 'plaintext', filter_chain_match: { transport_protocol: 'raw_buffer' }, filters },
    ],
  };
}

/** Below those that systems give to whoever asks for any. */
const firstPort = 15_000 + ((process.pid * 131) % 10_000);

/** Ports that nobody has now: both sides have to know theirs before they open them. */
async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let port = firstPort; ports.length < count; port++) {
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    ports.push(port);
    await once(server.close(), 'close');
  }
  return ports;
}

interface Answer {
  readonly status: number;
  readonly details: string | undefined;
}

let folder: string;
let envoy: EnvoyProcess;
let mesh: Mesh;
let envoyPorts: readonly number[];
let meshPorts: readonly number[];
const contexts = new Map<Caller, SecureContext>();
const refusals = new Map<number, string>();

const noteRefusal = (message: unknown): void => {
  const { port, details } = message as { readonly port: number; readonly details: string };
  refusals.set(port, details);
};

async function ask(
  port: number,
  { caller, source, serverName, method, target, host, headers, token: held }: AccessCase,
): Promise<Answer> {
  const context = contexts.get(caller);
  const lines = [...headers, ...(held === undefined ? [] : [['authorization', `Bearer ${tokens[held]}`] as const])];
  const text = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  const tls = context === undefined ? {} : { tls: { context, serverName } };
  const { status, head } = await rawExchange({ port, source, ...tls }, text);
  return { status, details: /^x-details: (.*)$/im.exec(head)?.[1]?.trim() };
}

async function askMesh(each: AccessCase): Promise<Answer> {
  const port = meshPorts[each.policy]!;
  refusals.delete(port);
  const { status } = await ask(port, each);
  return { status, details: refusals.get(port) };
}

/** Envoy hears the host in its one form. */
function askEnvoy(each: AccessCase): Promise<Answer> {
  const inOneForm = (authority: string): string =>
    authority
      .toLowerCase()
      .replace(/\.$/, '')
      .replace(each.caller === 'plaintext' ? /:80$/ : /:443$/, '');
  return ask(envoyPorts[each.policy]!, { ...each, host: inOneForm(each.host) });
}

/** The name of the policy, where a policy has refused it. */
function policyIn({ details }: Answer): string | undefined {
  return /^rbac_access_denied_matched_policy\[(.*)\]$/.exec(details ?? '')?.[1];
}

/** The rules are about a header that the request has twice: they may refuse what Envoy lets in, or by another rule. */
function isTwice({ policy, headers }: AccessCase, found: Answer, expected: Answer): boolean {
  if (found.status !== 403 || (expected.status !== 200 && expected.status !== 403)) return false;
  const rules = JSON.stringify(policies[policy]!.filters({ port: 0 })).toLowerCase();
  const lower = headers.map(([name]) => name.toLowerCase());
  const twice = lower.filter((name, index) => lower.indexOf(name) < index && rules.includes(`"name":"${name}"`));
  return twice.some((name) => joinedRequestHeaders.has(name) || /invert_match|not_rule|not_id/.test(rules));
}

describe('access rules of Envoy and of the mesh', { skip }, () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meshfetch-access-'));
    const authority = await testAuthority();
    const server = await authority.issue(
      { uris: ['spiffe://example.org/ns/shop/sa/orders'], dnsNames: ['svc.test'], commonName: 'orders' },
      validity(),
    );
    for (const [caller, subject] of Object.entries(names)) {
      const issued: IssuedCertificate = await authority.issue(subject, validity());
      contexts.set(caller as Caller, createSecureContext({ key: issued.privateKey.reveal(), cert: issued.certificateChain }));
    }
    contexts.set('anonymous', createSecureContext());
    const ports = await freePorts(policies.length * 2);
    envoyPorts = ports.slice(0, policies.length);
    meshPorts = ports.slice(policies.length);
    const inline = (text: string): object => ({ inline_string: text });
    const forEnvoy = {
      tls_certificates: [{ certificate_chain: inline(server.certificateChain), private_key: inline(server.privateKey.reveal()) }],
      validation_context: { trusted_ca: inline(authority.certificate) },
    };
    const sds = { ads: {}, resource_api_version: 'V3' };
    const forMesh = {
      tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: sds }],
      validation_context_sds_secret_config: { name: 'default', sds_config: sds },
    };
    envoy = await startEnvoy(binary!, {
      listeners: policies.map((policy, index) => listenerOf(policy, index, envoyPorts[index]!, forEnvoy)),
    });
    const plane = envoyPlane(policies.map((policy, index) => listenerOf(policy, index, meshPorts[index]!, forMesh)));
    mesh = await createMesh({
      controlPlane: [plane, { identity: await writeIdentityFiles(folder, 'orders', server, authority) }],
    });
    subscribe('meshfetch:inbound:refused', noteRefusal);
    await mesh.ready();
    await Promise.all(
      meshPorts.map((port) => mesh.listen((_request, response) => void response.end(), { port, host: '127.0.0.1' })),
    );
  });
  after(async () => {
    unsubscribe('meshfetch:inbound:refused', noteRefusal);
    await mesh?.close();
    await envoy?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it(`have the same verdict and the same policy: ${cases.length} requests, ${policyCount} sets of rules`, async (test) => {
    const different: object[] = [];
    const counts = { allowed: 0, byPolicy: 0, byNone: 0, before: 0, stricter: 0 };
    for (const each of cases) {
      const [found, expected] = await Promise.all([askMesh(each), askEnvoy(each)]);
      if (found.status === expected.status && policyIn(found) === policyIn(expected)) {
        const policy = policyIn(found);
        if (found.status < 300) counts.allowed++;
        else if (policy === undefined) counts.before++;
        else counts[policy === 'none' ? 'byNone' : 'byPolicy']++;
      } else if (isTwice(each, found, expected)) counts.stricter++;
      else
        different.push({
          ...each,
          rules: policies[each.policy]!.filters({ port: 0 }),
          manager: policies[each.policy]!.manager,
          found,
          expected,
        });
    }
    test.diagnostic(JSON.stringify({ seed, ...counts, different: different.length }));
    assert.deepEqual(different, []);
    // Enough of each, so that agreeing says something.
    assert.ok(cases.length >= 300 && counts.allowed > 50 && counts.byPolicy > 50 && counts.byNone > 50, JSON.stringify(counts));
    assert.ok(counts.stricter <= cases.length / 50, JSON.stringify(counts));
  });

  it('let in the same connections, and close the others', async () => {
    const sources = ['127.0.0.1', '127.0.0.2', '127.0.1.7'];
    const plain = { method: 'GET', target: '/', host: 'svc.test', headers: [], token: undefined };
    const counts = { served: 0, closed: 0 };
    for (const [index] of connectionPolicies.entries()) {
      for (const caller of callers) {
        for (const [at, source] of sources.entries()) {
          const each = {
            ...plain,
            policy: policyCount + index,
            caller,
            source,
            serverName: at === 0 ? 'svc.test' : 'admin.test',
          };
          const [found, expected] = await Promise.all([askMesh(each), askEnvoy(each)]);
          assert.equal(found.status, expected.status, JSON.stringify(each));
          counts[expected.status === 0 ? 'closed' : 'served']++;
        }
      }
    }
    assert.ok(counts.served > 50 && counts.closed > 50, JSON.stringify(counts));
  });
});
