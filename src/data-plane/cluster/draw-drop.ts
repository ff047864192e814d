import type { Random } from '../../base/runtime.ts';
import type { EndpointsConfig } from '../../model/cluster.ts';

/** The category that drops this request, each by itself in its order; undefined when none does. Source: gRFC A27, Envoy `drop_overloads`. */
export function drawDrop(drops: NonNullable<EndpointsConfig['drops']>, random: Random): string | undefined {
  for (const { category, ratio } of drops) if (random() < ratio) return category;
  return undefined;
}
