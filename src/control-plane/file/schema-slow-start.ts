/** `slowStart`: a new endpoint begins with little traffic. */
import * as v from 'valibot';
import { durationMs, mapping, number } from './schema-values.ts';

/** `slowStart`. */
export const slowStart = v.pipe(
  mapping({
    windowMs: v.pipe(durationMs(1), v.description('How long it takes until a new endpoint has its whole weight.')),
    aggression: v.pipe(
      v.exactOptional(number(0.001, 1000)),
      v.description(
        'Shape of the growth: the share is (time / `windowMs`) to the power of 1 / `aggression`. 1 by default, a straight line; more grows faster at the beginning.',
      ),
    ),
    minWeightPercent: v.pipe(
      v.exactOptional(number(0, 100)),
      v.description('Share of its weight that a new endpoint begins with. 10 by default, as in Envoy.'),
    ),
  }),
  v.description(
    'The share of an endpoint that is new, or that its health checks have brought back, grows over a window: caches fill, code is compiled. Not for policies that hash. None unless this key is there.',
  ),
);
