import type { ClusterSlot, CompiledRoute } from './compiled-route.ts';

/** The cluster that all routes send to; undefined where they send to several, or one of them does something else. */
export function onlySlotOf(routes: readonly CompiledRoute[]): ClusterSlot | undefined {
  const slot = routes[0]?.destinations[0]?.slot;
  const isOnly = routes.every(
    ({ destinations, answer, unsupported }) =>
      answer === undefined &&
      unsupported === undefined &&
      destinations.length > 0 &&
      destinations.every((destination) => destination.slot === slot && destination.answer === undefined),
  );
  return isOnly ? slot : undefined;
}
