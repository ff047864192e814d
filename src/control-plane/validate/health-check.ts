/** Checks of what endpoints are asked to find out whether they are well. */
import type { HealthCheckConfig } from '../../model/health.ts';
import { printed, type Check } from './check.ts';
import { checkStringMatcher } from './matchers.ts';

/** Checks an active health check. Bounds of statuses are Envoy's. */
export function checkHealthCheck(check: Check, health: HealthCheckConfig): void {
  check.oneOf('kind', health.kind ?? 'nothing', ['http', 'tcp', 'grpc']);
  check.longerThanNothing('timeoutMs', health.timeoutMs ?? null);
  check.longerThanNothing('intervalMs', health.intervalMs ?? null);
  check.whole('unhealthyThreshold', health.unhealthyThreshold ?? null, 1);
  check.whole('healthyThreshold', health.healthyThreshold ?? null, 1);
  for (const key of ['jitterMs', 'initialJitterMs'] as const) check.durationMs(key, health[key]);
  for (const key of [
    'noTrafficIntervalMs',
    'noTrafficHealthyIntervalMs',
    'unhealthyIntervalMs',
    'unhealthyEdgeIntervalMs',
    'healthyEdgeIntervalMs',
  ] as const)
    check.longerThanNothing(key, health[key]);
  check.percent('jitterPercent', health.jitterPercent);
  check.flag('reuseConnection', health.reuseConnection);
  check.port('port', health.port, 1);
  check.oneOf('protocol', health.protocol, ['http1', 'http2']);
  check.each('alpn', health.alpn, (inner, protocol) => inner.name('', protocol));
  check.within('tlsMatch', health.tlsMatch, () => {});
  if (health.sendHex !== undefined) checkHex(check, 'sendHex', health.sendHex);
  check.each('expectHex', health.expectHex, (inner, hex) => checkHex(inner, '', hex));
  check.within('headers', health.headers, (inner, headers) => {
    for (const [name, value] of Object.entries(headers)) {
      inner.headerName('', name, 'any-case');
      inner.text(name, value);
    }
  });
  if (health.path !== undefined) check.path('path', health.path);
  if (health.host !== undefined) check.authority('host', health.host);
  if (health.method !== undefined) check.headerName('method', health.method, 'any-case');
  checkMethod(check, health);
  check.within('serviceName', health.serviceName, checkStringMatcher);
  if (health.service !== undefined) check.text('service', health.service);
  for (const key of ['expectedStatuses', 'retriableStatuses'] as const)
    check.each(key, health[key], (inner, range) => {
      inner.whole('start', range.start ?? null, 100, 600);
      inner.whole('end', range.end ?? null, 100, 600);
      if (range.start >= range.end) inner.reject(`no status is from ${range.start} to below ${range.end}`);
    });
}

function checkHex(check: Check, key: string, hex: unknown): void {
  if (typeof hex !== 'string' || !/^(?:[0-9a-f]{2})+$/i.test(hex))
    check.reject(`${printed(hex)} is not bytes in hexadecimal, two digits each: "50494e47"`, key);
}

/** Source: Envoy, "Only methods that support a request body … can be used with payload". */
function checkMethod(check: Check, { kind, method = 'GET', sendHex }: HealthCheckConfig): void {
  const name = typeof method === 'string' ? method.toUpperCase() : '';
  if (name === 'CONNECT') check.reject('CONNECT asks for a tunnel; no answer to it says how the endpoint is', 'method');
  else if (kind === 'http' && sendHex !== undefined && ['GET', 'HEAD', 'DELETE', 'TRACE'].includes(name))
    check.reject(`a ${name} has no body; set method to POST, PUT, PATCH or OPTIONS, or remove it`, 'sendHex');
}
