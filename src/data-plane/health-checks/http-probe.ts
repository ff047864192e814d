import { isError } from '../../base/is-error.ts';
import type { HealthCheckConfig } from '../../model/health.ts';
import { compileString, type StringTest } from '../routing/match-value.ts';
import { CheckConnection, type CheckRequest, type CheckResponse, type CheckSurroundings } from './check-connection.ts';
import type { CheckTarget } from './check-target.ts';
import { answered, failedOnTheWay, type CheckVerdict, type HealthProbe } from './health-probe.ts';
import { bytesOf, hasInOrder } from './ordered-bytes.ts';

/** How a check introduces itself, unless its headers say otherwise. */
export const checkUserAgent = 'meshfetch-health-check';

/** Source: Envoy, `expected_statuses` replaces a "default 200-only policy". */
const onlyOk = [{ start: 200, end: 201 }];

/** Asks by an HTTP request; the status decides, then `x-envoy-degraded`. Source: Envoy `HttpHealthCheck`. */
export function createHttpProbe(target: CheckTarget, surroundings: CheckSurroundings): HealthProbe {
  const { check } = target;
  const connection = new CheckConnection(target, surroundings);
  const request: CheckRequest = {
    method: check.method ?? 'GET',
    path: check.path ?? '/',
    headers: { host: target.authority, 'user-agent': checkUserAgent, ...lowerCased(check.headers) },
    ...(check.sendHex !== undefined && { body: Buffer.from(check.sendHex, 'hex') }),
  };
  const judge = createJudge(check);
  return {
    begin: (onVerdict) =>
      connection.ask(request, (response) => onVerdict(isError(response) ? failedOnTheWay(response) : judge(response))),
    close: () => connection.close(),
    get isConnected() {
      return connection.isConnected;
    },
  };
}

/** Header names as they are compared. */
export function lowerCased(headers: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}

function createJudge(check: HealthCheckConfig): (response: CheckResponse) => CheckVerdict {
  const expected = check.expectedStatuses?.length ? check.expectedStatuses : onlyOk;
  const parts = bytesOf(check.expectHex);
  const isService: StringTest | undefined = check.serviceName && compileString(check.serviceName);
  return ({ status, headers, body }) => {
    if (!hasInOrder(body, parts)) return answered(`answered ${status} without the expected bytes`);
    if (!isWithin(status, expected)) return answered(`answered ${status}`, isWithin(status, check.retriableStatuses));
    if (isService !== undefined) {
      const name = headers['x-envoy-upstream-healthchecked-cluster'];
      if (!isService(typeof name === 'string' ? name : ''))
        return answered(`answered as the service ${JSON.stringify(name ?? '')}, which is not the expected one`);
    }
    return { kind: 'passed', isDegraded: headers['x-envoy-degraded'] !== undefined };
  };
}

function isWithin(status: number, ranges: HealthCheckConfig['expectedStatuses'] = []): boolean {
  return ranges.some(({ start, end }) => status >= start && status < end);
}
