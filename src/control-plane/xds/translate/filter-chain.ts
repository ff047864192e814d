/** The `http_filters` of a connection manager. */
import type { Surroundings } from './format.ts';
import { filterOf, isHarmless, type FilterName } from './filter-kinds.ts';
import { readFilter, type FilterPolicy } from './http-filters.ts';
import type { Message } from './message.ts';
import { typedMessage, type TypedMessage } from './typed-message.ts';

/** Configuration of a filter that is delivered apart (a `TypedExtensionConfig` of ECDS); undefined while it is not there. */
export type Extensions = (name: string) => Message | undefined;

/** What a chain of filters does with requests. */
export interface FilterChain {
  readonly policy: FilterPolicy;
  /** Which filters it has: what routes say of others has no effect. */
  readonly filters: ReadonlySet<FilterName>;
  /** Configurations of filters that are delivered apart. */
  readonly extensionNames: readonly string[];
}

/** Reads the filters in their order. */
export function filterChainFrom(
  filters: readonly Message[],
  surroundings: Surroundings,
  extensions: Extensions = () => undefined,
): FilterChain {
  const policy: FilterPolicy = {};
  const known = new Set<FilterName>();
  const extensionNames: string[] = [];
  for (const filter of filters) {
    const name = filter.text('name') ?? '';
    const isOptional = filter.flag('is_optional') === true;
    const isOff = filter.flag('disabled') === true;
    const discovery = filter.message('config_discovery');
    let config = filter.any('typed_config');
    if (discovery !== undefined) {
      const found = discovered(discovery, name, extensions);
      if (found.isSubscribed) extensionNames.push(name);
      config = found.config;
      if (config === undefined && !isOff) {
        if (found.isSubscribed) awaited(filter, name, policy, isOptional);
        else readFilter(name, { type: found.type, message: discovery }, policy, surroundings, { isPerRoute: false, isOptional });
        continue;
      }
    }
    const kind = filterOf(config?.type ?? '', name);
    if (kind !== undefined) known.add(kind);
    // A filter that is off is on where a route has a configuration for it.
    if (isOff) config?.message.markRead();
    else readFilter(name, config ?? { type: '', message: filter }, policy, surroundings, { isPerRoute: false, isOptional });
  }
  return { policy, filters: known, extensionNames };
}

interface Discovered {
  readonly config?: TypedMessage | undefined;
  /** What is delivered, where it is known before. */
  readonly type: string;
  readonly isSubscribed: boolean;
}

/** A configuration that is delivered apart, else the one that stands in for it. */
function discovered(discovery: Message, name: string, extensions: Extensions): Discovered {
  discovery.skip('config_source', 'apply_default_config_without_warming');
  const types = discovery.texts('type_urls').map((url) => url.slice(url.lastIndexOf('/') + 1));
  const standIn = discovery.any('default_config');
  // What is not known here is not asked for, and left out or refused as it would be in the chain.
  const isSubscribed = types.length === 0 || types.some((type) => filterOf(type, name) !== undefined || isHarmless(type, name));
  const type = types[0] ?? '';
  if (!isSubscribed) {
    standIn?.message.markRead();
    return { type, isSubscribed };
  }
  const extension = extensions(name);
  const inner = extension?.message('typed_config');
  if (inner === undefined) return { config: standIn, type, isSubscribed };
  standIn?.message.markRead();
  return { config: typedMessage(inner), type, isSubscribed };
}

function awaited(filter: Message, name: string, policy: FilterPolicy, isOptional: boolean): void {
  if (isOptional) return;
  const reason = `the configuration of the filter ${name} has not been delivered (config_discovery)`;
  filter.note('config_discovery', `has not been delivered, so that the requests of this place fail until it is`);
  policy.refused = [...(policy.refused ?? []), { name, reason }];
}
