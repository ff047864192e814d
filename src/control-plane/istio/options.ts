import { suggestion } from '../../base/nearest-name.ts';
import type { Locality } from '../../model/cluster.ts';

/** A value of the node's metadata. */
export type NodeMetadataValue =
  | string
  | number
  | boolean
  | null
  | readonly NodeMetadataValue[]
  | { readonly [key: string]: NodeMetadataValue };

/** Options of {@link istioControlPlane}. In a pod none is needed: each is found in its environment and files. */
export interface IstioOptions {
  /** Name of the source in errors and `status()`. Default `istio`. */
  readonly name?: string;
  /** `host:port` of istiod. Default `discoveryAddress` of PROXY_CONFIG, else `istiod.istio-system.svc:15012`. */
  readonly discoveryAddress?: string;
  /** `host:port` of the CA. Default CA_ADDR, else the discovery address. */
  readonly caAddress?: string;
  /** Name that istiod's certificate must have. Default ISTIOD_SAN, else `istiod.istio-system.svc` where the address is an IP, else its host. */
  readonly serverName?: string;
  /** PEM with the roots of istiod, read again for every connection. Default `/var/run/secrets/istio/root-cert.pem`. */
  readonly rootCertificateFile?: string;
  /** The projected token, read again for every connection. Default `/var/run/secrets/tokens/istio-token`. */
  readonly tokenFile?: string;
  /** Default POD_NAME, else what the token says, else the host name. */
  readonly podName?: string;
  /** Default POD_NAMESPACE, else what the token says. */
  readonly namespace?: string;
  /** Default SERVICE_ACCOUNT, else what the token says. */
  readonly serviceAccount?: string;
  /** IP addresses of the pod, the first one its own. Default INSTANCE_IP, else those of the network interfaces. */
  readonly addresses?: readonly string[];
  /** Of the pod. Default: those of the downward API in `/etc/istio/pod/labels`, over ISTIO_METAJSON_LABELS. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Default ISTIO_META_CLUSTER_ID, else `Kubernetes`. */
  readonly clusterId?: string;
  /** Default ISTIO_META_NETWORK, else none. */
  readonly network?: string;
  /** Default ISTIO_META_MESH_ID, else the trust domain. */
  readonly meshId?: string;
  /** Default TRUST_DOMAIN, else `cluster.local`. istiod decides what the certificate says; this is only asked for. */
  readonly trustDomain?: string;
  /** Domain of the names of services. Default `cluster.local`. */
  readonly clusterDomain?: string;
  /** Default ISTIO_META_WORKLOAD_NAME, else the name of the pod without what its controller added. */
  readonly workloadName?: string;
  /** Default the label `topology.istio.io/locality`; without either, istiod takes the one of the machine. */
  readonly locality?: Locality;
  /** More metadata of the node, and other values than those found: `{ ISTIO_VERSION: '1.30.0' }`. */
  readonly metadata?: Readonly<Record<string, NodeMetadataValue>>;
  /** Lifetime that is asked of the CA. Default SECRET_TTL, else 86 400 (Istio's own). */
  readonly certificateValiditySeconds?: number;
  /** `never`: work in a pod that has a sidecar or is captured by ambient as well. Default `auto`: leave the requests to them. */
  readonly standDown?: 'auto' | 'never';
  /** Endpoints on loopback are accepted. Default: where istiod itself is on loopback. */
  readonly allowLoopback?: boolean;
  /**
   * Clusters to which no DestinationRule gives outlier detection: `always` = their endpoints are compared with their peers, as those of a
   * service that nobody configured; `as-configured` = none, as in a sidecar. Default `always`.
   */
  readonly outlierDetection?: 'always' | 'as-configured';
  /** How configuration travels. Default `delta`, which sends what changed alone (Istio's own default). */
  readonly variant?: 'state-of-the-world' | 'delta';
}

interface OptionRule {
  readonly isValid: (value: unknown) => boolean;
  readonly expected: string;
}

const text: OptionRule = { isValid: (value) => typeof value === 'string' && value !== '', expected: 'a text that is not empty' };
const address: OptionRule = {
  isValid: (value) => typeof value === 'string' && isHostAndPort(value),
  expected: 'host:port',
};
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The check of each option. */
const optionTable: { readonly [K in keyof Required<IstioOptions>]: OptionRule } = {
  name: text,
  discoveryAddress: address,
  caAddress: address,
  serverName: text,
  rootCertificateFile: text,
  tokenFile: text,
  podName: text,
  namespace: text,
  serviceAccount: text,
  addresses: {
    isValid: (value) => Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' && one !== ''),
    expected: 'a list of IP addresses',
  },
  labels: {
    isValid: (value) => isRecord(value) && Object.values(value).every((one) => typeof one === 'string'),
    expected: 'an object of texts',
  },
  clusterId: text,
  network: text,
  meshId: text,
  trustDomain: text,
  clusterDomain: text,
  workloadName: text,
  locality: { isValid: isRecord, expected: '{ region, zone, subZone }' },
  metadata: { isValid: isRecord, expected: 'an object' },
  certificateValiditySeconds: {
    isValid: (value) => Number.isInteger(value) && (value as number) > 0,
    expected: 'a whole number of seconds above 0',
  },
  standDown: { isValid: (value) => value === 'auto' || value === 'never', expected: '"auto" or "never"' },
  allowLoopback: { isValid: (value) => typeof value === 'boolean', expected: 'true or false' },
  outlierDetection: {
    isValid: (value) => value === 'always' || value === 'as-configured',
    expected: '"always" or "as-configured"',
  },
  variant: {
    isValid: (value) => value === 'state-of-the-world' || value === 'delta',
    expected: '"state-of-the-world" or "delta"',
  },
};

/** Throws a TypeError that names the option, and what is right. */
export function checkIstioOptions(options: IstioOptions): void {
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(optionTable, key)) {
      throw new TypeError(`istio: no option "${key}"; ${suggestion(key, Object.keys(optionTable))}`);
    }
    const rule = optionTable[key as keyof IstioOptions];
    if (value !== undefined && !rule.isValid(value)) throw new TypeError(`istio.${key}: must be ${rule.expected}`);
  }
}

/**
 * Options from `istio:` (everything from the pod) or `istio://host:port` (this istiod). Throws a TypeError for anything more: the rest
 * are options of {@link istioControlPlane}.
 */
export function istioOptionsFromUrl(source: string | URL): IstioOptions {
  const url = new URL(source);
  const remedy = 'write `istio:` or `istio://host:15012`; for more, pass istioControlPlane({ … }) of meshfetch/istio';
  if (url.protocol !== 'istio:') throw new TypeError(`"${url.protocol}" is not istio:; ${remedy}`);
  if (url.username !== '' || url.password !== '') throw new TypeError(`an istio: URL takes no user name; ${remedy}`);
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') {
    throw new TypeError(`an istio: URL has a host and a port alone; ${remedy}`);
  }
  if (url.host === '') return {};
  return { discoveryAddress: url.port === '' ? `${url.hostname}:15012` : url.host };
}

/** Whether a text is `host:port` or `[IPv6]:port`. */
export function isHostAndPort(value: string): boolean {
  const port = /^(?:[^:\s[\]/]+|\[[0-9a-f:.]+\]):(\d{1,5})$/i.exec(value)?.[1];
  return port !== undefined && Number(port) > 0 && Number(port) < 65_536;
}
