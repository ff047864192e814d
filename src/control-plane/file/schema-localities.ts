/** `localities`: how priorities and places share the traffic, and what happens when too few endpoints are left. */
import * as v from 'valibot';
import { safeLocality } from '../safe-defaults.ts';
import { dictionary, flag, mapping, maxCount, maxWeight, oneOf, wholeNumber } from './schema-values.ts';

const common = {
  panicThresholdPercent: v.pipe(
    v.optional(wholeNumber(0, 100), safeLocality.panicThresholdPercent),
    v.description(
      "With a smaller share of endpoints left, all of them are used again (panic), but those that drain and those with an open breaker; 0 = never. Envoy's 50 would send requests to two dead endpoints of three.",
    ),
  ),
  failTrafficOnPanic: v.pipe(
    v.exactOptional(flag()),
    v.description('Whether requests fail in panic, instead of going to all endpoints. They do not by default, as in Envoy.'),
  ),
  overprovisioningPercent: v.pipe(
    v.exactOptional(wholeNumber(100, maxCount)),
    v.description(
      'How much of its share an endpoint can take: a priority keeps all requests while its healthy share times this is 100 % or more. 140 by default, as in Envoy: up to 28 % may be out before the next priority gets any.',
    ),
  ),
  zoneAwareMinClusterSize: v.pipe(
    v.exactOptional(wholeNumber(0, maxCount)),
    v.description('Only for `zone-aware`: with fewer endpoints than this, zones do not count. 6 by default, as in Envoy.'),
  ),
  zoneAwareRoutingPercent: v.pipe(
    v.exactOptional(wholeNumber(0, 100)),
    v.description('Only for `zone-aware`: share of the requests that it applies to. 100 by default, as in Envoy.'),
  ),
} as const;

/** `localities` of a service. */
export const localities = v.pipe(
  mapping({
    mode: v.pipe(
      v.optional(oneOf(['none', 'weighted', 'zone-aware']), 'none'),
      v.description(
        '`weighted`: each locality gets the share that `weights` gives it, fewer where its endpoints fail. `zone-aware`: the endpoints of our own zone, as far as that loads none of them more than the others; needs the option `locality` of `createMesh`. `none`: places do not count.',
      ),
    ),
    weights: v.pipe(
      v.exactOptional(dictionary(wholeNumber(0, maxWeight))),
      v.description(
        'Only for `weighted`: the weight of each locality by its name, relative to the others of its priority; 0 = none for now. The name is `region`, `zone` and `subZone` of its endpoints, those that are there, with `/` between them: `eu-1a`, `eu/eu-1a`.',
      ),
    ),
    ...common,
  }),
  v.description('How priorities and places share the traffic, and what happens when too few endpoints are left.'),
);

/** `localities` of `defaults`: no service's places are known there. */
export const defaultLocalities = v.pipe(
  mapping({
    mode: v.pipe(
      v.optional(oneOf(['none', 'zone-aware']), 'none'),
      v.description('As in a service; `weighted` is for one service to say, beside the weights.'),
    ),
    ...common,
  }),
  v.description('The same for every service that does not say it itself.'),
);
