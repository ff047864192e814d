/**
 * Requests with tokens through a real Envoy's `jwt_authn`, and through the check of tokens that its configuration is translated to: the
 * same status, text, challenge and details; the same headers, path and claims for those that pass. A row that differs says in what and
 * why: we refuse some of what Envoy lets in, and never the other way round.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { compileEnvoy } from 'meshfetch/testing';
import { seededRandom, systemClock } from '../../../src/base/runtime.ts';
import { loadPatternEngine } from '../../../src/base/pattern.ts';
import type { AccessRequest } from '../../../src/data-plane/inbound/access-request.ts';
import { editHeaders, headerValues } from '../../../src/data-plane/inbound/request-headers.ts';
import { createTokenCheck, type TokenCheck, type TokenOutcome } from '../../../src/data-plane/inbound/token-check.ts';
import type { InboundRequest } from '../../../src/model/inbound.ts';
import { KeySources } from '../../../src/security/jwt/key-source.ts';
import { startEnvoy, type EnvoyProcess } from './envoy-process.ts';
import { filters, tokenCases, tokens, type Difference, type TokenCase } from './token-cases.ts';

const binary = process.env['MESHFETCH_LIVE_ENVOY'];
const types = 'type.googleapis.com/envoy.extensions';
const host = 'app.example';

/** What the caller and the handler see. */
interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly challenge?: string | undefined;
  readonly details?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly claims?: unknown;
}

let envoy: EnvoyProcess;
const logged = new Map<string, { readonly details: string; readonly flags: string; readonly claims: unknown }>();
const checks = new Map<string, TokenCheck>();

/** Answers with what it got. */
const app = createServer((asked, response) => {
  response.end(JSON.stringify({ path: asked.url, headers: appHeaders(asked.rawHeaders) }));
});

/** Headers that a policy may have changed. */
function appHeaders(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase();
    if (/^(host|connection|transfer-encoding|x-forwarded-proto|content-length|x-request-id|x-envoy-.*|x-case)$/.test(name))
      continue;
    const value = name === 'x-object' ? fieldsOf(raw[index + 1]!) : raw[index + 1]!;
    headers[name] = headers[name] === undefined ? value : `${headers[name]} | ${value}`;
  }
  return headers;
}

/** An object as a header has it; Envoy writes its fields in any order. */
function fieldsOf(value: string): string {
  return inspect(JSON.parse(atob(value)), { sorted: true, depth: 9 });
}

function listenerOf(name: string): object {
  const log = {
    case: '%REQ(x-case)%',
    details: '%RESPONSE_CODE_DETAILS%',
    flags: '%RESPONSE_FLAGS%',
    claims: '%DYNAMIC_METADATA(envoy.filters.http.jwt_authn)%',
  };
  const manager = {
    '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'in',
    access_log: [
      {
        name: 'log',
        typed_config: { '@type': `${types}.access_loggers.stream.v3.StdoutAccessLog`, log_format: { json_format: log } },
      },
    ],
    http_filters: [
      { name: 'jwt', typed_config: { '@type': `${types}.filters.http.jwt_authn.v3.JwtAuthentication`, ...filters[name] } },
      { name: 'router', typed_config: { '@type': `${types}.filters.http.router.v3.Router` } },
    ],
    route_config: {
      virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] }],
    },
  };
  return {
    name,
    traffic_direction: 'INBOUND',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }],
  };
}

function clusterOf(name: string, port: number): object {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return {
    name,
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}

function checkOf(name: string): TokenCheck {
  const listener = { ...listenerOf(name), address: { socket_address: { address: '127.0.0.1', port_value: 8080 } } };
  const { listeners, problems } = compileEnvoy(listener);
  // The rest of the listener is of no concern here.
  assert.deepEqual(
    problems.filter(({ path }) => /jwt|token/i.test(path)),
    [],
  );
  const [inbound] = listeners;
  assert.ok(inbound?.direction === 'inbound');
  const { jwt = [], jwtRules } = inbound.filterChains[0]!;
  const keySources = new KeySources({
    clock: systemClock,
    random: seededRandom(1),
    fetchKeys: () => Promise.reject(new Error('nobody is there')),
  });
  return createTokenCheck(jwt, jwtRules, { clock: systemClock, keySources });
}

const filled = (value: string): string => value.replaceAll(/\{(\w+)\}/g, (_all, name: string) => tokens[name]!);

async function askEnvoy(row: TokenCase): Promise<Answer> {
  const headers = (row.headers ?? []).flatMap(([name, value]) => [name, filled(value)]);
  const asked = httpRequest({
    host: '127.0.0.1',
    port: envoy.ports.get(row.filter),
    method: row.method ?? 'GET',
    path: filled(row.path ?? '/x'),
    headers: ['host', host, 'x-case', row.name, 'connection', 'close', ...headers],
    agent: false,
  });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const body = await text(response);
  while (!logged.has(row.name)) await new Promise((resolve) => setTimeout(resolve, 5));
  const { details, flags, claims } = logged.get(row.name)!;
  if (response.statusCode === 200) return { status: 200, ...(JSON.parse(body) as object), claims };
  assert.equal(flags, '-');
  return { status: response.statusCode!, body, challenge: response.headers['www-authenticate'], details };
}

async function askOurs(row: TokenCase): Promise<Answer> {
  const path = filled(row.path ?? '/x');
  const request: InboundRequest = {
    method: row.method ?? 'GET',
    url: path,
    httpVersionMajor: 1,
    headers: {},
    rawHeaders: (row.headers ?? []).flatMap(([name, value]) => [name, filled(value)]),
    socket: {},
  };
  const access: AccessRequest = {
    method: request.method!,
    path,
    pathOnly: path.split('?', 1)[0]!,
    authority: host,
    scheme: 'http',
    connection: undefined as never,
    remoteAddress: '127.0.0.1',
    tokens: [],
    requestPrincipal: undefined,
    header: (name) => headerValues(request.rawHeaders, name),
  };
  const outcome = await new Promise<TokenOutcome>((resolve) => {
    checks.get(row.filter)!.check(access, resolve);
  });
  const { refusal, edit, tokens: verified } = outcome;
  if (refusal !== undefined) {
    const { status, body, headers, details } = refusal;
    return { status, body, challenge: headers['www-authenticate'] as string | undefined, details };
  }
  if (edit !== undefined) editHeaders(request, edit);
  const claims =
    verified.length === 0
      ? null
      : Object.fromEntries(verified.map((token) => [token.provider, token.ruleClaims ?? token.claims]));
  return { status: 200, path: outcome.path ?? path, headers: appHeaders(request.rawHeaders), claims };
}

/** A difference that is on purpose is there, and is the only one. */
function assertDiffers(what: Difference, ours: Answer, theirs: Answer): void {
  assert.notDeepEqual(ours, theirs, 'there is no difference any more');
  if (what === 'verdict') {
    assert.deepEqual([theirs.status, ours.status], [200, 401]);
    return;
  }
  const parts: readonly (keyof Answer)[] = what === 'text' ? ['body', 'details'] : [what];
  const without = (answer: Answer): object =>
    Object.fromEntries(Object.entries(answer).filter(([name]) => !parts.includes(name as keyof Answer)));
  assert.deepEqual(without(ours), without(theirs));
}

describe('tokens of requests', { skip: binary === undefined && 'MESHFETCH_LIVE_ENVOY names no Envoy' }, () => {
  before(async () => {
    await loadPatternEngine();
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    const { port } = app.address() as AddressInfo;
    const listeners = Object.keys(filters).map(listenerOf);
    envoy = await startEnvoy(binary!, { listeners, clusters: [clusterOf('app', port), clusterOf('nobody', 1)] }, (line) => {
      if (!line.startsWith('{')) return;
      const { case: name, ...rest } = JSON.parse(line) as { case: string; details: string; flags: string; claims: unknown };
      logged.set(name, rest);
    });
    for (const name of Object.keys(filters)) checks.set(name, checkOf(name));
  });

  after(async () => {
    await envoy?.stop();
    app.close();
    app.closeAllConnections();
  });

  it('are so many in the table, each under a name of its own', () => {
    assert.ok(tokenCases.length >= 200);
    assert.equal(new Set(tokenCases.map(({ name }) => name)).size, tokenCases.length);
  });

  for (const row of tokenCases) {
    it(row.name, async () => {
      const [theirs, ours] = await Promise.all([askEnvoy(row), askOurs(row)]);
      if (row.differs === undefined) assert.deepEqual(ours, theirs);
      else assertDiffers(row.differs.in, ours, theirs);
      // A second time, when what was good is remembered.
      assert.deepEqual(await askOurs(row), ours);
    });
  }
});
