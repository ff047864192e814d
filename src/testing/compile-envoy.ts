/**
 * Listeners, route tables and clusters of Envoy for policy tests: no sockets, no clock, no mesh. They go the way that a control plane's go
 * (translation, the checks of the store, compilation), so that a test of a policy tests what requests will meet.
 */
import { examineEnvoy } from '../admin/examine-envoy.ts';
import { usePatternEngine } from '../base/pattern-engine.ts';
import type { ClusterConfig } from '../model/cluster.ts';
import type { Problem } from '../model/contracts.ts';
import type { ListenerConfig } from '../model/listener.ts';
import type { RequestPolicy, RouteTableConfig } from '../model/route.ts';
import type { Resource } from '../model/snapshot.ts';
import { parseResources } from '../control-plane/xds/parse-resources.ts';
import type { ReceivedSecret } from '../control-plane/xds/translate/tls-secrets.ts';

/** How resources are compiled. */
export interface CompileEnvoyOptions {
  /** For `%HOSTNAME%` in the values of headers. Default: such headers are left out and reported. */
  readonly hostname?: string;
  /** For `%ENVIRONMENT(NAME)%` in the values of headers. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A table of routes: the configuration, and what stands around it. */
export interface EnvoyTable {
  readonly name: string;
  readonly config: RouteTableConfig;
  /** Of the listener that has the table. */
  readonly outer: RequestPolicy | undefined;
  /** Why requests to it fail, where its listener cannot serve them. */
  readonly refused?: string | undefined;
}

/** Compiled resources of Envoy, for `route()`. */
export interface CompiledEnvoy {
  /** Fields that were received and have no effect, by resource and path. Empty = all of it is carried out. */
  readonly problems: readonly Problem[];
  /** The route tables in their order; those that stand inside of a listener have its name when they have none. */
  readonly tables: readonly EnvoyTable[];
  /** The ways out and in. One listener of Envoy that serves several ports is one for each of them. */
  readonly listeners: readonly ListenerConfig[];
  /** Certificates and roots: secrets, and what stands in the TLS contexts of listeners and clusters. */
  readonly secrets: readonly ReceivedSecret[];
  /** The clusters by name. */
  readonly clusters: ReadonlyMap<string, ClusterConfig>;
  /** Everything as meshfetch has it: what a control plane would deliver. */
  readonly resources: readonly Resource[];
}

/**
 * Compiles Envoy v3 resources: `RouteConfiguration`, `Cluster`, `ClusterLoadAssignment`, `Listener` (of the way out, or of the way in
 * with `traffic_direction: INBOUND`; with its routes inside or beside it), `Secret`, `TypedExtensionConfig` (filters of ECDS), a
 * bootstrap with `static_resources`, or the `/config_dump` of a proxy. They may be YAML or JSON text, objects, or a list of these;
 * fields in snake_case or camelCase, with `@type` or without (it is then told from the fields).
 *
 * Throws a TypeError that names everything that is wrong, by path. What is understood and has no effect is in `problems`.
 *
 * ```js
 * const compiled = compileEnvoy(readFileSync('routes.yaml', 'utf8'));
 * const result = route(compiled, { url: 'http://orders/api/42' });
 * ```
 */
export function compileEnvoy(
  resources: string | object | readonly (string | object)[],
  options: CompileEnvoyOptions = {},
): CompiledEnvoy {
  usePatternEngine();
  const translated = examineEnvoy(parseResources(resources), { surroundings: options });
  const problems = [...translated.problems, ...translated.refused];
  // A misspelt field is often why another one is missing.
  if (problems.length > 0)
    throw new TypeError(
      `the resources of Envoy cannot be used:\n${[...problems, ...translated.unhonoured].map(lineOf).join('\n')}`,
    );
  return {
    problems: [...translated.unhonoured, ...translated.withoutEffect],
    listeners: translated.resources.flatMap((each) => (each.kind === 'listener' ? [each.value] : [])),
    secrets: translated.secrets,
    tables: tablesOf(translated.resources),
    clusters: new Map(
      translated.resources.flatMap((each) => (each.kind === 'cluster' ? [[each.name, each.value] as const] : [])),
    ),
    resources: translated.resources,
  };
}

function lineOf({ key, path, reason }: Problem): string {
  return `  ${key.kind} "${key.name}"${path === '' ? '' : ` ${path}`}: ${reason}`;
}

/** The tables in the order in which they came, each with the policy of the listener that names it. */
function tablesOf(resources: readonly Resource[]): readonly EnvoyTable[] {
  const outer = new Map<string, Pick<EnvoyTable, 'outer' | 'refused'>>();
  const inline: EnvoyTable[] = [];
  for (const { kind, value } of resources) {
    if (kind !== 'listener' || value.direction !== 'outbound') continue;
    if (typeof value.routes === 'string') outer.set(value.routes, { outer: value.policy, refused: value.refused });
    else inline.push({ name: value.routes.name, config: value.routes, outer: value.policy, refused: value.refused });
  }
  const named = resources.flatMap(({ kind, value }) =>
    kind === 'route-table' ? [{ name: value.name, config: value, outer: undefined, ...outer.get(value.name) }] : [],
  );
  return [...named, ...inline];
}
