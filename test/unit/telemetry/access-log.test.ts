import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { AccessLogConfig } from '../../../src/model/telemetry.ts';
import { compileAccessLog, unknownOperators } from '../../../src/telemetry/access-log.ts';
import type { AccessLogEntry } from '../../../src/telemetry/access-log-entry.ts';
import { subscribe } from '../../../src/telemetry/channels.ts';
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import { createVirtualClock } from '../../../src/testing/virtual-clock.ts';
import { someInbound, someRefusal } from './some-inbound.ts';

const headers = {
  ':method': 'GET',
  ':authority': 'orders:8443',
  'user-agent': 'curl/8',
  'x-forwarded-for': '198.51.100.4',
  'x-request-id': 'b3c7',
};

/** A request that was refused after 1.4 ms, or what `changes` make of it. */
function someEntry(changes: Partial<AccessLogEntry> = {}): AccessLogEntry {
  return {
    mesh: 'web',
    facts: someInbound({
      headers,
      request: { socket: { remotePort: 51_234 } },
      response: { getHeader: (name) => (name === 'x-envoy-upstream-service-time' ? 7 : undefined) },
    }),
    startWallMs: Date.UTC(2026, 10, 22, 15, 3, 18, 483),
    durationMs: 1.4,
    status: 403,
    flags: 'UAEX',
    details: 'rbac_access_denied_matched_policy[readers]',
    isRefused: true,
    isCancelled: false,
    requestBytes: 12,
    responseBytes: 19,
    grpcStatus: undefined,
    listener: 'virtualInbound',
    chain: 'tls',
    route: 'default',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    ...changes,
  };
}

/** What is written of these entries. */
async function linesOf(config: AccessLogConfig, ...entries: readonly AccessLogEntry[]): Promise<readonly string[]> {
  const clock = createVirtualClock();
  const writes: string[] = [];
  const sink = (lines: string): void => void writes.push(lines);
  const log = compileAccessLog(config, clock, { stdout: sink, stderr: sink });
  for (const entry of entries) log.write(entry);
  await clock.advance(1);
  return writes;
}
const valueOf = async (template: string, changes?: Partial<AccessLogEntry>): Promise<string> =>
  (await linesOf({ format: 'text', template }, someEntry(changes))).join('').trimEnd();

describe('an access log', () => {
  it("has Envoy's line where the policy gives none", async () => {
    assert.deepEqual(await linesOf({ format: 'text' }, someEntry()), [
      '[2026-11-22T15:03:18.483Z] "GET /api/42?token=REDACTED HTTP/2" 403 UAEX 12 19 1 7 "198.51.100.4" "curl/8" "b3c7" "orders:8443" "-"\n',
    ]);
  });

  it("writes Istio's line", async () => {
    const istio =
      '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';
    assert.equal(
      await valueOf(istio),
      '[2026-11-22T15:03:18.483Z] "GET /api/42?token=REDACTED HTTP/2" 403 UAEX rbac_access_denied_matched_policy[readers] - "-" 12 19 1 7 "198.51.100.4" "curl/8" "b3c7" "orders:8443" "-" - - 192.0.2.7:8443 198.51.100.4:51234 orders default',
    );
  });

  const rows = [
    { name: 'percent', template: '100%% %DURATION%', text: '100% 1' },
    { name: 'header-cut', template: '%REQ(USER-AGENT):3%', text: 'cur' },
    { name: 'header-or-another', template: '%REQ(X-NOT?USER-AGENT)%', text: 'curl/8' },
    { name: 'header-missing', template: '%REQ(X-NOT)%', text: '-' },
    {
      name: 'time-by-format',
      template: '%START_TIME(%Y/%m/%dT%H:%M:%S.%3f%z %s)%',
      text: '2026/11/22T15:03:18.483+0000 1795359798',
    },
    { name: 'peer', template: '%DOWNSTREAM_PEER_URI_SAN%', text: 'spiffe://mesh.example/ns/shop/sa/web' },
    { name: 'peer-dns-missing', template: '%DOWNSTREAM_PEER_DNS_SAN%', text: '-' },
    { name: 'trace', template: '%TRACE_ID%', text: '0af7651916cd43dd8448eb211c80319c' },
    { name: 'unknown', template: 'a %DYNAMIC_METADATA(x:y)% b', text: 'a - b' },
  ] as const;
  for (const { name, template, text } of rows) {
    it(`writes the operators of a template: ${name}`, async () => {
      assert.equal(await valueOf(template), text);
    });
  }

  it('writes a request without a response, and one of gRPC', async () => {
    const gone = { status: undefined, flags: 'DC', isCancelled: true, isRefused: false };
    assert.equal(await valueOf('%RESPONSE_CODE% %RESPONSE_FLAGS% %GRPC_STATUS%', gone), '0 DC -');
    assert.equal(await valueOf('%GRPC_STATUS% %GRPC_STATUS_NUMBER%', { grpcStatus: '7' }), 'PermissionDenied 7');
  });

  it('keeps the types of single values in JSON, and says null for what is not there', async () => {
    const template = {
      code: '%RESPONSE_CODE%',
      flags: '%RESPONSE_FLAGS%',
      referer: '%REQ(REFERER)%',
      both: '%RESPONSE_CODE%/%REQ(REFERER)%',
      app: 'orders',
    };
    const [line] = await linesOf({ format: 'json', template }, someEntry());
    assert.deepEqual(JSON.parse(line!), { code: 403, flags: 'UAEX', referer: null, both: '403/-', app: 'orders' });
  });

  it('has keys of its own in JSON where the policy gives none', async () => {
    const [line] = await linesOf({ format: 'json' }, someEntry());
    const record = JSON.parse(line!) as Record<string, unknown>;
    assert.equal(record['response_code'], 403);
    assert.equal(record['path'], '/api/42?token=REDACTED');
  });

  it('cannot be forged or reversed by a request, and its values are capped', async () => {
    const hostile = `a"\r\n[2026] "GET /forged\u001B[31m\u202E${'x'.repeat(5000)}`;
    const entry = someEntry({ facts: someInbound({ path: '/', headers: { ...headers, 'user-agent': hostile } }) });
    for (const format of ['text', 'json'] as const) {
      const text = (await linesOf({ format }, entry)).join('');
      assert.equal(text.indexOf('\n'), text.length - 1, format);
      assert.doesNotMatch(text.trimEnd(), /[\p{Cc}\p{Cf}]/u);
      assert.ok(text.length < 3000, String(text.length));
    }
  });

  it('leaves out what went well, where only errors are asked for', async () => {
    const well = someEntry({ status: 200, isRefused: false });
    const config = { format: 'text', template: '%RESPONSE_CODE%', errorsOnly: true } as const;
    assert.deepEqual(await linesOf(config, well, someEntry(), someEntry({ status: 500, isRefused: false })), ['403\n500\n']);
  });

  it('writes the lines of one turn at once', async () => {
    assert.deepEqual(await linesOf({ format: 'text', template: '%DURATION%' }, someEntry(), someEntry()), ['1\n1\n']);
  });

  it('goes to the events where the policy says so', async () => {
    const events: unknown[] = [];
    const end = subscribe('inbound:access-log', (event) => events.push(event));
    await linesOf({ format: 'text', template: '%RESPONSE_CODE%\n', to: 'events' }, someEntry());
    end();
    assert.deepEqual(events, [{ mesh: 'web', listener: 'virtualInbound', line: '403' }]);
  });

  it('names the operators that it does not know', () => {
    const config: AccessLogConfig = { format: 'text', template: '%DURATION% %FOO% %DYNAMIC_METADATA(a:b)% %START_TIME(%q)%' };
    assert.deepEqual(unknownOperators(config), ['%FOO%', '%DYNAMIC_METADATA(a:b)%', '%START_TIME(%q)%']);
  });

  it('is written of a request though nobody else listens, with the sizes of its bodies', async () => {
    const clock = createVirtualClock();
    const lines: string[] = [];
    const sink = (text: string): void => void lines.push(text);
    const template = '%RESPONSE_CODE% %BYTES_RECEIVED% %BYTES_SENT% %RESP(X-APP)% %RESPONSE_CODE_DETAILS%';
    const log = compileAccessLog({ format: 'text', template }, clock, { stdout: sink, stderr: sink });
    const telemetry = createTelemetry({ meshName: 'web', clock });
    const server = createServer((request, response) => {
      const span = telemetry.startServer(someInbound({ request, response }), 0, [log])!;
      response.once('close', () => span.end({ status: response.statusCode }, 1));
      if (request.url === '/refused') span.refused('denied', someRefusal);
      request.resume().once('end', () => {
        response.setHeader('x-app', 'yes');
        response.write('abc');
        response.end('defg');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await (await fetch(url, { method: 'POST', body: 'x'.repeat(1000) })).text();
    await (await fetch(`${url}/refused`)).text();
    server.close();
    await once(server, 'close');
    await clock.advance(1);
    assert.deepEqual(lines.join('').split('\n'), [
      '200 1000 7 yes via_upstream',
      '200 0 7 yes rbac_access_denied_matched_policy[readers]',
      '',
    ]);
  });

  it('reaches standard output before the process ends by itself', () => {
    const program = `
      import { compileAccessLog, unknownOperators } from './src/telemetry/access-log.ts';
      import { systemClock } from './src/base/runtime.ts';
      const log = compileAccessLog({ format: 'text', template: '%DURATION%' }, systemClock);
      log.write({ durationMs: 41 });
      log.write({ durationMs: 42 });`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--conditions=meshfetch-source', '--input-type=module', '--eval', program],
      { cwd: new URL('../../../', import.meta.url), encoding: 'utf8' },
    );
    assert.equal(stdout, '41\n42\n', stderr);
  });
});
