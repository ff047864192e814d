import type { RequestPolicy } from '../../model/route.ts';
import type { CompiledDestination, CompiledRoute } from './compiled-route.ts';

/** Fields of a policy that every call carries out, or that are carried out elsewhere: by edits, or on the way in. */
const plainFields: ReadonlySet<keyof RequestPolicy> = new Set([
  'timeoutMs',
  'retry',
  'requestHeaders',
  'responseHeaders',
  'cors',
  'authorization',
  'externalAuthorization',
]);

/** Whether nothing but its timeout and its retries is done to the requests of a route. */
export function isPlainRoute(route: Omit<CompiledRoute, 'isPlain'>): boolean {
  return (
    route.clusterHeader === undefined &&
    route.answer === undefined &&
    route.hash === undefined &&
    route.edit === undefined &&
    route.responseEdit === undefined &&
    route.mirrors.length === 0 &&
    route.destinations.every(isPlainDestination) &&
    Object.entries(route.policy).every(([field, value]) => isOff(value) || plainFields.has(field as keyof RequestPolicy))
  );
}

/** Said outright, and the default. */
function isOff(value: unknown): boolean {
  return value === undefined || value === false || value === 'default';
}

function isPlainDestination(to: CompiledDestination): boolean {
  return (
    to.edit === undefined &&
    to.responseEdit === undefined &&
    to.fault === undefined &&
    to.timeoutMs === undefined &&
    to.answer === undefined &&
    to.mirrors.length === 0
  );
}
