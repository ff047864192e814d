/** What Istio's injection says in PROXY_CONFIG, as far as it matters here. Source: `istio.mesh.v1alpha1.ProxyConfig`. */
export interface ProxyConfig {
  readonly discoveryAddress?: string;
  /** `ISTIO_META_…` of the node, where the environment has no other value. */
  readonly proxyMetadata: Readonly<Record<string, string>>;
  /** As it stands there: istiod reads it from the node. */
  readonly whole?: Readonly<Record<string, unknown>>;
}

/** Reads PROXY_CONFIG: JSON, or YAML where somebody wrote it by hand. A string = what is wrong with it. */
export async function parseProxyConfig(text: string | undefined): Promise<ProxyConfig | string> {
  if (text === undefined || text.trim() === '') return { proxyMetadata: {} };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const { parse } = await import('yaml');
    try {
      value = parse(text);
    } catch {
      return 'PROXY_CONFIG is neither JSON nor YAML; write {"discoveryAddress": "istiod.istio-system.svc:15012"}';
    }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'PROXY_CONFIG is no object';
  const whole = value as Record<string, unknown>;
  const address = whole['discoveryAddress'];
  const metadata = whole['proxyMetadata'];
  const entries = typeof metadata === 'object' && metadata !== null ? Object.entries(metadata) : [];
  return {
    whole,
    proxyMetadata: Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    ...(typeof address === 'string' && address !== '' && { discoveryAddress: address }),
  };
}
