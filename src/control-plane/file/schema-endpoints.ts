/** `endpoints`: where the instances of a service are, and what is known of them. */
import * as v from 'valibot';
import { flag, hostAndPort, mapping, maxWeight, oneOf, text, wholeNumber } from './schema-values.ts';

/** Labels of an endpoint, and what a subset asks of them. */
export const metadata = v.record(
  v.string(),
  v.union(
    [v.string('a text'), v.pipe(v.number('a number'), v.finite('a finite number')), flag()],
    'a text, a number, true or false',
  ),
  'a mapping',
);

/** Envoy's bound. */
const lastPriority = 128;

const place = (of: string) => v.exactOptional(text(`the name of a ${of}`));

/** An item of `endpoints`, written out. */
export const endpoint = v.pipe(
  mapping({
    address: v.pipe(hostAndPort(), v.description('`host:port`, or the host alone where the service has a `port`.')),
    weight: v.pipe(
      v.optional(wholeNumber(1, maxWeight, '', '; for an endpoint without requests write `health: draining`'), 1),
      v.description('Share of the traffic relative to the other endpoints of its locality.'),
    ),
    priority: v.pipe(
      v.optional(wholeNumber(0, lastPriority), 0),
      v.description(
        'Rank: those of 0 get all requests while enough of them are well (see `localities.overprovisioningPercent`), then those of 1 get the rest, and so on. No number may be left out.',
      ),
    ),
    region: v.pipe(
      place('region'),
      v.description('Where the endpoint runs. Region, zone and sub-zone together are its locality.'),
    ),
    zone: v.pipe(
      place('zone'),
      v.description('The same, more closely. `localities` says what follows from it; shown in `mesh.status()` in any case.'),
    ),
    subZone: v.pipe(place('sub-zone'), v.description('The same, more closely still.')),
    health: v.pipe(
      v.exactOptional(oneOf(['healthy', 'degraded', 'draining', 'unhealthy'])),
      v.description(
        '`degraded`: gets requests only where those that are well are too few. `draining`: gets no new requests, those of sessions among them, also in panic. `unhealthy`: gets none, but in panic. Healthy by default.',
      ),
    ),
    hostname: v.pipe(
      v.exactOptional(text('a name')),
      v.description('Name of the endpoint: what `useHostname` hashes, and the host that a health check names. None by default.'),
    ),
    metadata: v.pipe(v.exactOptional(metadata), v.description('Labels, which `subsets` select by.')),
  }),
  v.description('One instance of a service.'),
);
