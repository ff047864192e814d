/** How this program treats the services that it uses. Where they run is said when the mesh is made. */
export function services(endpoints) {
  return {
    orders: {
      endpoints: endpoints.orders,
      timeoutMs: 2000,
      retry: { maxAttempts: 3, on: ['connect-failure', 'reset', 'gateway-error'], backoff: { baseMs: 1, maxMs: 2 } },
    },
    prices: {
      endpoints: endpoints.prices,
      subsets: { stable: { version: '1' }, beta: { version: '2' } },
      routes: [
        { match: { headers: { 'x-beta': { exact: 'yes' } } }, to: [{ service: 'prices', subset: 'beta' }] },
        { to: [{ service: 'prices', subset: 'stable' }] },
      ],
    },
  };
}
