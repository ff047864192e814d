/** One endpoint as `explain` and `status` show it. */
export interface EndpointView {
  readonly address: string;
  readonly weight: number;
  readonly state: 'healthy' | 'outlier' | 'circuit' | 'control-plane' | 'health-check';
  readonly inFlight: number;
  readonly zone?: string;
}

/** One host as the views show it. */
export function endpointView(host: {
  address: string;
  weight: number;
  out: Exclude<EndpointView['state'], 'healthy'> | undefined;
  inFlight: number;
  locality: { zone?: string };
}): EndpointView {
  const { zone } = host.locality;
  return {
    address: host.address,
    weight: host.weight,
    state: host.out ?? 'healthy',
    inFlight: host.inFlight,
    ...(zone === undefined ? {} : { zone }),
  };
}
