/** The virtual hosts of a table as requests find them, under the runtime layer that a test assumes. */
import { compileRouteTable } from '../data-plane/routing/compile-routes.ts';
import type { ClusterSlot, CompiledVirtualHost, RouteCompilation } from '../data-plane/routing/compiled-route.ts';
import { createVirtualHostTable, type VirtualHostTable } from '../data-plane/routing/virtual-hosts.ts';
import type { RouteTableConfig } from '../model/route.ts';
import type { EnvoyTable } from './compile-envoy.ts';

/**
 * What the runtime layer of Envoy says. An object: numerators by `runtime_key`, true for all and false for none; for other keys the
 * configured fractions hold. A text: as the `runtime` of a test of Envoy's router check tool, under which only the fractions of that
 * key are in force, and match at least the random value 0; `''` = none are.
 */
export type RuntimeLayer = string | Readonly<Record<string, number | boolean>>;

const compiledTables = new WeakMap<RouteTableConfig, Map<string, VirtualHostTable<CompiledVirtualHost>>>();

/** The virtual hosts of a table, compiled once for each runtime layer. */
export function virtualHostsOf(table: EnvoyTable, runtime: RuntimeLayer = {}): VirtualHostTable<CompiledVirtualHost> {
  const known = compiledTables.get(table.config) ?? new Map<string, VirtualHostTable<CompiledVirtualHost>>();
  compiledTables.set(table.config, known);
  const key = JSON.stringify(runtime);
  let compiled = known.get(key);
  if (compiled === undefined) {
    compiled = compile(table, runtime);
    known.set(key, compiled);
  }
  return compiled;
}

function compile({ config, outer, refused }: EnvoyTable, runtime: RuntimeLayer): VirtualHostTable<CompiledVirtualHost> {
  const slot = (name: string): ClusterSlot => ({ name, isNamed: false, cluster: undefined });
  const compilation: RouteCompilation = { source: 'envoy', version: '1', slot, refused, runtime: numeratorsOf(runtime) };
  const table = typeof runtime === 'string' ? withRaisedFractions(config) : config;
  return createVirtualHostTable(compileRouteTable(table, outer, compilation));
}

function numeratorsOf(runtime: RuntimeLayer): NonNullable<RouteCompilation['runtime']> {
  if (typeof runtime === 'string') return (key) => (key === runtime ? undefined : 0);
  return (key) => {
    const value = Object.hasOwn(runtime, key) ? runtime[key] : undefined;
    if (typeof value !== 'boolean') return value;
    return value ? Number.MAX_SAFE_INTEGER : 0;
  };
}

/** The router check tool lets a fraction of 0 match a request whose random value is 0. */
function withRaisedFractions(config: RouteTableConfig): RouteTableConfig {
  return {
    ...config,
    virtualHosts: config.virtualHosts.map((host) => ({
      ...host,
      routes: host.routes.map((each) => {
        const { fraction } = each.match;
        return fraction?.numerator === 0 ? { ...each, match: { ...each.match, fraction: { ...fraction, numerator: 1 } } } : each;
      }),
    })),
  };
}
