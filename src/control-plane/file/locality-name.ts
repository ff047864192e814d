/** The name of the place of an endpoint, as `localities.weights` has it: region, zone and sub-zone, those that are there. */
export function localityName({
  region,
  zone,
  subZone,
}: {
  readonly region?: string;
  readonly zone?: string;
  readonly subZone?: string;
}): string {
  return [region, zone, subZone].filter((part) => part !== undefined).join('/');
}
