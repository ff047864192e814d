/** Checks one resource of any kind: its name, that it is plain data, and then what it says. */
import type { Resource, ResourceKind, ResourceTypes } from '../../model/snapshot.ts';
import { Check, type Finding } from './check.ts';
import { checkCluster, type KnownPolicies } from './cluster.ts';
import { checkEndpoints } from './endpoints.ts';
import { checkListener } from './listener.ts';
import { plainDataFault, type Sliced } from './plain-data.ts';
import { checkRouteTable } from './route-table.ts';

/** Verdict on one resource. */
export interface Verdict {
  /** Reasons to refuse it; empty = it is good. */
  readonly problems: readonly Finding[];
  /** Parts that are accepted and have no effect. */
  readonly notes: readonly Finding[];
  /** The value to use: the very one that was given unless repeated endpoints were taken out. */
  readonly value: ResourceTypes[ResourceKind];
  /** Whether there are patterns; until the engine is loaded they pass unseen. */
  readonly hasPatterns?: boolean;
}

/** All kinds of resource. */
export const resourceKinds: readonly ResourceKind[] = ['listener', 'route-table', 'cluster', 'endpoints'];

/** Checks a resource. Never throws: a value of another shape than its type is a problem like any other. */
export function* checkResource(resource: Resource, policies: KnownPolicies): Sliced<Verdict> {
  const check = new Check();
  let { value }: { value: ResourceTypes[ResourceKind] } = resource;
  try {
    check.name('name', resource.name);
    const fault = yield* plainDataFault(value);
    if (fault !== undefined) return { problems: [fault], notes: [], value };
    if (typeof value !== 'object' || value === null) check.reject('must be an object');
    else {
      if (value.name !== resource.name) check.reject('differs from the name of the resource', 'name');
      value = yield* checkValue(check, resource, policies);
    }
  } catch (error) {
    // A field of another type than the model says, where no check expected it.
    check.reject(`has another shape than a ${resource.kind} (${error instanceof Error ? error.message : 'unknown'})`);
  }
  return { problems: check.problems, notes: check.notes, value, hasPatterns: check.hasPatterns };
}

function* checkValue(check: Check, resource: Resource, policies: KnownPolicies): Sliced<ResourceTypes[ResourceKind]> {
  switch (resource.kind) {
    case 'listener':
      return yield* checkListener(check, resource.value);
    case 'route-table':
      return yield* checkRouteTable(check, resource.value);
    case 'cluster':
      return yield* checkCluster(check, resource.value, policies);
    case 'endpoints':
      return yield* checkEndpoints(check, resource.value);
    default:
      check.reject(`there is no kind of resource ${JSON.stringify((resource as { kind: unknown }).kind)}`);
      return (resource as Resource).value;
  }
}
