import type { EndpointFile } from './schema.ts';

/** Where an endpoint stands among the others. */
export type Place = Pick<EndpointFile, 'priority' | 'region' | 'zone' | 'subZone'>;

/** The place of an item of `endpoints`, written out or not. */
export function placeOf(endpoint: EndpointFile | string): Place {
  return typeof endpoint === 'string' ? { priority: 0 } : endpoint;
}

/** The name of a locality, as `localities.weights` has it: region, zone and sub-zone, those that are there. */
export function localityName({ region, zone, subZone }: Place): string {
  return [region, zone, subZone].filter((part) => part !== undefined).join('/');
}
