/**
 * The test files of Envoy's router check tool, run against compiled routes: `tests` with an `input` and what to `validate`. Who has
 * such files for a proxy can keep them. Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/tools/router_check,
 * and the tool itself for what the page leaves open: it raises a runtime fraction of 0 to 1, lets fractions match only under the key
 * that the test names, and takes no name (of a cluster, virtual host, …) from a route that answers by itself.
 */
import { Findings } from '../control-plane/xds/translate/message.ts';
import { headerMatcherFrom } from '../control-plane/xds/translate/string-matcher.ts';
import { compileValue } from '../data-plane/routing/match-value.ts';
import { headerValuesOf } from '../data-plane/routing/request-view.ts';
import type { Metadata, MetadataValue } from '../model/tls.ts';
import type { CompiledEnvoy } from './compile-envoy.ts';
import { parseResources } from '../control-plane/xds/parse-resources.ts';
import { route } from './route.ts';
import type { RouteRequest } from './route-request.ts';
import type { RouteResult } from './route-result.ts';

/** The request of a test, in the words of the tool. */
export interface RouterCheckInput {
  readonly authority: string;
  readonly path: string;
  readonly method: string;
  readonly ssl?: boolean;
  readonly internal?: boolean;
  /** Taken by its remainder. Default 0. */
  readonly random_value?: number;
  /** The runtime key whose fractions are in force; those of other keys never match. */
  readonly runtime?: string;
  readonly additional_request_headers?: readonly { readonly key: string; readonly value: string }[];
  readonly additional_response_headers?: readonly { readonly key: string; readonly value: string }[];
  readonly dynamic_metadata?: readonly {
    readonly metadata_namespace: string;
    readonly value: Metadata;
    readonly allow_overwrite?: boolean;
  }[];
}

/** A test file of the tool, parsed. */
export interface RouterCheckTests {
  readonly tests: readonly {
    readonly test_name: string;
    readonly input: RouterCheckInput;
    readonly validate: Readonly<Record<string, unknown>>;
  }[];
}

/** The verdict on one test. */
export interface RouterCheckResult {
  readonly name: string;
  readonly passed: boolean;
  /** What was expected and what is: empty when it passed. */
  readonly failures: readonly string[];
  /** What `route()` says. */
  readonly result: RouteResult;
}

/**
 * Runs a test file: JSON or YAML text, or parsed. Throws a TypeError for a text that does not parse and for a validation that the tool
 * does not know.
 *
 * ```js
 * const results = routerCheck(compileEnvoy(routes), readFileSync('routes.tests.yaml', 'utf8'));
 * assert.deepEqual(results.filter(({ passed }) => !passed), []);
 * ```
 */
export function routerCheck(compiled: CompiledEnvoy, tests: string | RouterCheckTests): readonly RouterCheckResult[] {
  const parsed: Partial<RouterCheckTests> | undefined = typeof tests === 'string' ? parseResources(tests)[0] : tests;
  if (!Array.isArray(parsed?.tests)) throw new TypeError('a test file of the router check tool has a list named tests');
  return (parsed as RouterCheckTests).tests.map(({ test_name: name, input, validate }) => {
    const result = route(compiled, requestOf(input), { random: input.random_value ?? 0, runtime: input.runtime ?? '' });
    const failures = failuresOf(result, validate, input);
    return { name, passed: failures.length === 0, failures, result };
  });
}

function requestOf(input: RouterCheckInput): RouteRequest {
  const pairs = (list: RouterCheckInput['additional_request_headers']) =>
    (list ?? []).map(({ key, value }) => [key, value] as const);
  return {
    method: input.method,
    authority: input.authority,
    path: input.path,
    scheme: input.ssl === true ? 'https' : 'http',
    internal: input.internal === true,
    headers: pairs(input.additional_request_headers),
    responseHeaders: pairs(input.additional_response_headers),
    metadata: metadataOf(input.dynamic_metadata ?? []),
  };
}

/** A name space that is there already is changed only where the later entry says so. */
function metadataOf(entries: NonNullable<RouterCheckInput['dynamic_metadata']>): Metadata {
  const metadata: Record<string, MetadataValue> = {};
  for (const { metadata_namespace: space, value, allow_overwrite: mayOverwrite = false } of entries) {
    if (mayOverwrite || !Object.hasOwn(metadata, space)) metadata[space] = value;
  }
  return metadata;
}

function failuresOf(
  result: RouteResult,
  validate: Readonly<Record<string, unknown>>,
  input: RouterCheckInput,
): readonly string[] {
  const failures: string[] = [];
  const isForward = result.kind === 'forward';
  const isAnswer = result.kind === 'redirect' || result.kind === 'respond';
  const actual: Readonly<Record<string, string | number>> = {
    cluster_name: isForward ? (result.cluster ?? '') : '',
    virtual_cluster_name: isForward ? (result.virtualCluster ?? '') : '',
    virtual_host_name: isForward ? (result.virtualHost ?? '') : '',
    path_rewrite: isForward ? result.path : '',
    host_rewrite: isForward ? (result.host ?? input.authority) : '',
    path_redirect: isAnswer ? result.url : '',
    code_redirect: isAnswer ? (result.status ?? 0) : 0,
  };
  for (const [key, expected] of Object.entries(validate)) {
    if (Object.hasOwn(actual, key)) {
      if (actual[key] !== expected)
        failures.push(`${key}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(actual[key])}`);
    } else if (key === 'request_header_matches' || key === 'response_header_matches') {
      failures.push(...headerFailures(key, expected, result));
    } else throw new TypeError(`the router check tool knows no validation ${key}`);
  }
  return failures;
}

function headerFailures(
  key: 'request_header_matches' | 'response_header_matches',
  matchers: unknown,
  result: RouteResult,
): readonly string[] {
  const findings = new Findings();
  const headers = (key === 'request_header_matches' ? result.headers : result.responseHeaders).flat();
  const view = {
    method: result.method,
    path: result.path,
    scheme: result.scheme,
    headers,
    ...(key === 'request_header_matches' && { authority: result.host ?? '' }),
  };
  const failures = (matchers as readonly unknown[]).flatMap((matcher, index) => {
    const message = findings.message(matcher, `${key}[${index}]`);
    const said = message && headerMatcherFrom(message);
    if (said === undefined || 'unsupported' in said) return [`${key}[${index}]: cannot be read`];
    const { name } = said.value;
    if (compileValue(said.value, headerValuesOf)(view)) return [];
    return [
      `${key}[${index}]: ${name} is ${JSON.stringify(headerValuesOf(view, name) ?? null)}, which is not ${JSON.stringify(said.value)}`,
    ];
  });
  return [...failures, ...findings.problems.map(({ path, reason }) => `${path} ${reason}`)];
}
