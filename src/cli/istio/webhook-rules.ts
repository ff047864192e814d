/**
 * What Istio's admission webhook refuses besides what the schemas of its resources say, of the fields that decide over requests. Source:
 * Istio, `pkg/config/validation`.
 */
import { STATUS_CODES } from 'node:http';
import { suggestion } from '../../base/nearest-name.ts';
import { compilePattern } from '../../base/pattern.ts';
import { grpcRetryConditions, httpRetryConditions } from '../../model/retry-conditions.ts';
import { pathStep, type FieldFinding } from '../field-report.ts';
import { boundsFault, durationFault } from './value-fault.ts';

/** Why the value of a field that has the right type is refused all the same; undefined = it is not. */
type Rule = (value: unknown) => string | undefined;

const between =
  (min: number | undefined, max: number | undefined): Rule =>
  (value) =>
    typeof value === 'number' ? boundsFault(value, { min, max }, (bounds) => `must be ${bounds}, not ${value}`) : undefined;
const percent = between(0, 100);
const notNegative = between(0, undefined);
const port = between(1, 65_535);

const regex: Rule = (value) => {
  if (typeof value !== 'string') return undefined;
  if (value === '') return 'must not be empty';
  try {
    compilePattern(value);
    return undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return error.message;
  }
};

/** Conditions of Envoy; istiod makes statuses of numbers. */
const retryWords = [...httpRetryConditions, 'http3-post-connect-failure', ...grpcRetryConditions];

const retryOn: Rule = (value) => {
  if (typeof value !== 'string' || value === '') return undefined;
  const faults = value.split(',').flatMap((word) => {
    if (retryWords.includes(word) || Object.hasOwn(STATUS_CODES, word)) return [];
    if (retryWords.includes(word.trim())) return [`${JSON.stringify(word)} has a space, which Istio refuses`];
    return [`${JSON.stringify(word)} is no condition of a retry; ${suggestion(word, retryWords)}`];
  });
  return faults.length === 0 ? undefined : faults.join('; ');
};

/** By kind: the end of the path without indices and keys, and the rule of the value there. The first that fits holds. */
const rules: Readonly<Record<string, readonly (readonly [path: string, rule: Rule])[]>> = {
  VirtualService: [
    ['retries.attempts', notNegative],
    ['retries.retryOn', retryOn],
    ['regex', regex],
    ['uriRegexRewrite.match', regex],
    ['percentage.value', percent],
    ['mirrorPercentage.value', percent],
    ['delay.percent', percent],
    ['abort.httpStatus', between(200, 599)],
    ['directResponse.status', between(200, 599)],
    ['weight', notNegative],
    ['destination.port.number', port],
    ['mirror.port.number', port],
  ],
  DestinationRule: [
    ['outlierDetection.maxEjectionPercent', percent],
    ['outlierDetection.minHealthPercent', percent],
    ['connectionPool.http.http1MaxPendingRequests', notNegative],
    ['connectionPool.http.http2MaxRequests', notNegative],
    ['connectionPool.http.maxRequestsPerConnection', notNegative],
    ['connectionPool.http.maxRetries', notNegative],
    ['connectionPool.http.maxConcurrentStreams', notNegative],
    ['connectionPool.tcp.maxConnections', notNegative],
    // Zero is allowed: a cookie of the session. The schema has a text.
    ['httpCookie.ttl', (value) => (typeof value === 'string' ? durationFault(value, 0) : undefined)],
    ['connectionPool.tcp.idleTimeout', (value) => (typeof value === 'string' ? durationFault(value, 0) : undefined)],
    ['retryBudget.percent', percent],
    ['portLevelSettings[].port.number', port],
  ],
  ServiceEntry: [
    ['ports[].number', port],
    ['ports[].targetPort', port],
    ['endpoints[].ports<>', port],
  ],
};

/** Why the webhook refuses a value of the right type; `pattern` is its path without indices and keys. */
export function webhookFault(kind: string, pattern: string, value: unknown): string | undefined {
  const rule = (rules[kind] ?? []).find(([path]) => pattern === path || pattern.endsWith(`.${path}`))?.[1];
  return rule?.(value);
}

/** What is wrong with parts of a resource together. */
export function partsFaults(kind: string, spec: unknown): readonly FieldFinding[] {
  if (typeof spec !== 'object' || spec === null) return [];
  if (kind === 'WorkloadEntry' && !hasAddress(spec)) return [{ path: 'spec', reason: noAddress }];
  if (kind === 'VirtualService') return each(spec, 'http', 'spec').flatMap(({ value, path }) => retriesFault(value, path));
  return kind === 'ServiceEntry' ? serviceEntryFaults(spec as Readonly<Record<string, unknown>>) : [];
}

function retriesFault(route: { readonly retries?: unknown }, path: string): readonly FieldFinding[] {
  const { retries } = route;
  if (typeof retries !== 'object' || retries === null) return [];
  const { attempts = 0, ...others } = retries as Readonly<Record<string, unknown>>;
  if (attempts !== 0 || !['perTryTimeout', 'retryOn', 'retryRemoteLocalities'].some((name) => name in others)) return [];
  const reason = 'is 0, which turns retries off, beside settings for them: write how many attempts there are';
  return [{ path: `${path}.retries.attempts`, reason }];
}

const noAddress = 'has no address, and no network in place of it';

function hasAddress(workload: object): boolean {
  return 'address' in workload || 'network' in workload;
}

function serviceEntryFaults(spec: Readonly<Record<string, unknown>>): readonly FieldFinding[] {
  const { hosts, addresses, resolution = 'NONE', workloadSelector } = spec;
  const endpoints = each(spec, 'endpoints', 'spec');
  const ports = each(spec, 'ports', 'spec').map(({ value }) => (value as { readonly number?: unknown }).number);
  const found: FieldFinding[] = [];
  const refuse = (holds: boolean, path: string, reason: string): void => {
    if (holds) found.push({ path, reason });
  };
  refuse(Array.isArray(hosts) && hosts.includes('*'), 'spec.hosts', 'must be names; a wildcard alone is none');
  refuse(
    workloadSelector !== undefined && endpoints.length > 0,
    'spec.endpoints',
    'stand beside workloadSelector; keep one of them',
  );
  refuse(resolution === 'NONE' && endpoints.length > 0, 'spec.endpoints', 'are not used with the resolution NONE (the default)');
  refuse(
    resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1,
    'spec.endpoints',
    'may be one at most with the resolution DNS_ROUND_ROBIN',
  );
  refuse(
    Array.isArray(addresses) &&
      addresses.some((address) => typeof address === 'string' && address.includes('/')) &&
      resolution !== 'STATIC' &&
      resolution !== 'NONE',
    'spec.addresses',
    'may be ranges (CIDR) with the resolutions NONE and STATIC alone',
  );
  refuse(new Set(ports).size < ports.length, 'spec.ports', 'have a number twice');
  for (const { value, path } of endpoints) refuse(!hasAddress(value), path, noAddress);
  return found;
}

/** The elements of a list in an object that are objects, with their places. */
export function each(holder: unknown, name: string, at: string): readonly { readonly value: object; readonly path: string }[] {
  const list = typeof holder === 'object' && holder !== null ? (holder as Readonly<Record<string, unknown>>)[name] : undefined;
  if (!Array.isArray(list)) return [];
  return list.flatMap((value: unknown, index) =>
    typeof value === 'object' && value !== null ? [{ value, path: `${at}${pathStep(name)}[${index}]` }] : [],
  );
}
