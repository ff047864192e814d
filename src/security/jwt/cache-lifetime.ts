const minLifetimeMs = 90_000; // refreshed after two thirds of it, and fetches are a minute apart
const defaultLifetimeMs = 600_000; // Envoy's `cache_duration`
const maxLifetimeMs = 3_600_000;

/**
 * How long fetched keys are used before they are fetched again, in milliseconds: as long as the issuer says (`max-age`, RFC 9111), at
 * most as long as the policy says or an hour, at least a minute and a half.
 */
export function lifetimeOf(cacheControl: string | undefined, cacheMs: number | undefined): number {
  const longest = cacheMs ?? maxLifetimeMs;
  return Math.max(minLifetimeMs, Math.min(longest, saidBy(cacheControl) ?? cacheMs ?? defaultLifetimeMs));
}

function saidBy(cacheControl: string | undefined): number | undefined {
  if (cacheControl === undefined) return undefined;
  for (const directive of cacheControl.toLowerCase().split(',')) {
    const [name = '', value = ''] = directive.split('=').map((part) => part.trim());
    if (name === 'no-store' || name === 'no-cache') return 0;
    if (name === 'max-age' && /^"?\d{1,12}"?$/.test(value)) return Number(value.replaceAll('"', '')) * 1000;
  }
  return undefined;
}
