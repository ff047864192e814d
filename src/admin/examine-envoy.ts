/** What becomes of resources of Envoy on their whole way: the translation, the checks of the store, and what the data plane leaves out. */
import { checkResource } from '../control-plane/validate/resource.ts';
import type { ListenerOptions } from '../control-plane/xds/translate/listener.ts';
import { translateResources, type TranslatedResources } from '../control-plane/xds/translate/resources.ts';
import { loadBalancingPolicies } from '../data-plane/load-balancing/index.ts';
import { unhonouredOf } from '../data-plane/unhonoured.ts';
import type { Problem } from '../model/contracts.ts';
import type { Resource, ResourceTypes, SourceSnapshot } from '../model/snapshot.ts';

/** Translated resources, with what would be said of them later. Paths of both lists are those of `resources`. */
export interface ExaminedResources extends TranslatedResources {
  /** What the store would refuse. */
  readonly refused: readonly Problem[];
  /** What the data plane does not carry out. */
  readonly withoutEffect: readonly Problem[];
}

/** Translates resources of Envoy and says all that a mesh would say of them. The pattern engine has to be loaded. */
export function examineEnvoy(list: readonly object[], options: ListenerOptions = {}): ExaminedResources {
  const translated = translateResources(list, options);
  return {
    ...translated,
    refused: translated.resources.flatMap(refusedBy),
    withoutEffect: withoutEffectIn(translated.resources),
  };
}

/** What the store would refuse. */
function refusedBy(resource: Resource): readonly Problem[] {
  const check = checkResource(resource, {
    policyNames: [...loadBalancingPolicies.keys()],
    checkPolicyOptions: ({ policy, options }, path) => loadBalancingPolicies.get(policy)!.options.parse(options, path),
  });
  let step = check.next();
  while (step.done !== true) step = check.next();
  const key = { kind: resource.kind, name: resource.name };
  // These paths are those of `resources`: what Envoy's fields have become.
  return step.value.problems.map(({ path, reason }) => ({ key, path: `(as meshfetch has it) ${path}`, reason }));
}

/** What the data plane would report. */
function withoutEffectIn(resources: readonly Resource[]): readonly Problem[] {
  const found = unhonouredOf({ source: 'envoy', version: '1', ...byKind(resources) });
  // Plugins have been reported where they were read, by the path that Envoy has for them.
  return [...found].filter(({ reason }) => !reason.includes('cluster_specifier_plugin'));
}

function byKind(resources: readonly Resource[]): Omit<SourceSnapshot, 'source' | 'version'> {
  const of = <K extends Resource['kind']>(kind: K): ReadonlyMap<string, ResourceTypes[K]> =>
    new Map(resources.filter((each) => each.kind === kind).map(({ name, value }) => [name, value as ResourceTypes[K]]));
  return { listeners: of('listener'), routeTables: of('route-table'), clusters: of('cluster'), endpoints: of('endpoints') };
}
