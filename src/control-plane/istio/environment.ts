/**
 * Who this process is in the mesh and where istiod is, found as Istio's own agent finds it: in the variables that its injection sets,
 * and in the files that Kubernetes mounts. An option always comes first. Most is said twice in a pod, so that little has to be set in
 * a pod without injection: the projected token names namespace, service account and pod, the host name is the pod's, and the address
 * is that of its interface. Source: Istio, `pkg/bootstrap/config.go` and the injection template.
 */
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Locality } from '../../model/cluster.ts';
import { MeshError } from '../../base/errors.ts';
import { isHostAndPort, type IstioOptions, type NodeMetadataValue } from './options.ts';
import { podPaths, readPodFiles, textOf } from './pod-files.ts';
import { parseProxyConfig, type ProxyConfig } from './proxy-config.ts';
import { readTokenClaims } from './token-claims.ts';

/** What is asked of the machine; replaced in tests. */
export interface Surroundings {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Folder in which `var/run/secrets` and `etc/istio/pod` are. */
  readonly root: string;
  readonly hostname: () => string;
  /** IP addresses of the interfaces, loopback and link-local ones excepted. */
  readonly addresses: () => readonly string[];
  /** Ports on loopback where a sidecar shows itself. */
  readonly residentPorts: { readonly admin: number; readonly health: number; readonly tunnel: number };
}

/** The running process. */
export const systemSurroundings = (): Surroundings => ({
  variables: process.env,
  root: '/',
  hostname,
  addresses: ownAddresses,
  residentPorts: { admin: 15_000, health: 15_021, tunnel: 15_008 },
});

/** Everything that the preset works with. */
export interface IstioSettings {
  /** `host:port`. */
  readonly discoveryAddress: string;
  readonly caAddress: string;
  readonly serverName: string;
  readonly caServerName: string;
  /** Undefined = the roots of this Node process (`XDS_ROOT_CA=SYSTEM`). */
  readonly rootCertificateFile: string | undefined;
  readonly caRootCertificateFile: string | undefined;
  readonly tokenFile: string;
  readonly podName: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly clusterId: string;
  readonly network: string | undefined;
  readonly meshId: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly workloadName: string;
  readonly locality: Locality;
  readonly certificateValiditySeconds: number;
  /** Of the CA, where several signers are there (`ISTIO_META_CERT_SIGNER`). */
  readonly certificateSigner: string | undefined;
  /** What `ISTIO_META_…`, `ISTIO_METAJSON_…`, PROXY_CONFIG and the option say, the latter first. */
  readonly metadata: Readonly<Record<string, NodeMetadataValue>>;
  readonly proxyConfig: ProxyConfig;
  /** What was found and cannot be used, in words. */
  readonly warnings: readonly string[];
}

const defaultDiscoveryAddress = 'istiod.istio-system.svc:15012';
/** Istio's: a day. */
const defaultValiditySeconds = 86_400;

/** Finds everything. Rejects with a MeshError that names all that is missing, and what to put into the pod. */
export async function findSettings(options: IstioOptions, surroundings: Surroundings): Promise<IstioSettings> {
  const { variables, root } = surroundings;
  const said = (name: string): string | undefined => variables[name] || undefined;
  const warnings: string[] = [];
  const files = await readPodFiles(root);
  const isFirstParty = said('JWT_POLICY') === 'first-party-jwt';
  const tokenFile = options.tokenFile ?? join(root, isFirstParty ? podPaths.firstPartyToken : podPaths.token);
  const token = await textOf(tokenFile);
  const claims = readTokenClaims(token ?? '');
  const config = await parseProxyConfig(said('PROXY_CONFIG'));
  if (typeof config === 'string') warnings.push(config);
  const proxyConfig: ProxyConfig = typeof config === 'string' ? { proxyMetadata: {} } : config;
  const metadata = { ...metadataOf(variables, proxyConfig, warnings), ...options.metadata };
  const meta = (name: string): string | undefined => {
    const value = metadata[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };

  const discoveryAddress = options.discoveryAddress ?? proxyConfig.discoveryAddress ?? defaultDiscoveryAddress;
  const caAddress = options.caAddress ?? said('CA_ADDR') ?? discoveryAddress;
  for (const [name, address] of [
    ['discoveryAddress of PROXY_CONFIG', discoveryAddress],
    ['CA_ADDR', caAddress],
  ] as const) {
    if (!isHostAndPort(address))
      throw new MeshError('MESH_CONFIG_INVALID', `istio: ${name} is not host:port: ${JSON.stringify(address)}`);
  }
  const serverName = options.serverName ?? said('ISTIOD_SAN');
  const namespace = options.namespace ?? said('POD_NAMESPACE') ?? claims?.namespace ?? files.namespace;
  const serviceAccount = options.serviceAccount ?? said('SERVICE_ACCOUNT') ?? claims?.serviceAccount;
  const instanceIps = said('INSTANCE_IP')?.split(',') ?? surroundings.addresses();
  const addresses = (options.addresses ?? instanceIps).map((address) => address.trim()).filter((address) => isIP(address) !== 0);
  if (namespace === undefined || serviceAccount === undefined || addresses.length === 0) {
    throw missing({ namespace, serviceAccount, address: addresses[0] }, tokenWords(token, tokenFile));
  }
  const podName = options.podName ?? said('POD_NAME') ?? claims?.podName ?? surroundings.hostname();
  const labels = options.labels ?? { ...recordOf(metadata['LABELS']), ...files.labels };
  const trustDomain = options.trustDomain ?? said('TRUST_DOMAIN') ?? 'cluster.local';
  const network = options.network ?? meta('NETWORK');
  return {
    discoveryAddress,
    caAddress,
    serverName: serverName ?? serverNameOf(discoveryAddress),
    caServerName: serverName ?? serverNameOf(caAddress),
    rootCertificateFile: rootFile(options, said('XDS_ROOT_CA'), root),
    caRootCertificateFile: rootFile(options, said('CA_ROOT_CA'), root),
    tokenFile,
    podName,
    namespace,
    serviceAccount,
    addresses: [...new Set(addresses)],
    labels,
    annotations: files.annotations,
    clusterId: options.clusterId ?? meta('CLUSTER_ID') ?? 'Kubernetes',
    network,
    meshId: options.meshId ?? meta('MESH_ID') ?? trustDomain,
    trustDomain,
    clusterDomain: options.clusterDomain ?? 'cluster.local',
    workloadName: options.workloadName ?? meta('WORKLOAD_NAME') ?? workloadOfPod(podName, labels),
    locality: options.locality ?? localityOf(labels),
    certificateValiditySeconds: options.certificateValiditySeconds ?? secondsOf(said('SECRET_TTL'), warnings),
    certificateSigner: meta('CERT_SIGNER'),
    metadata,
    proxyConfig,
    warnings,
  };
}

/** `ISTIO_META_X=v` is the metadata `X`; the values of `ISTIO_METAJSON_…` are objects that are merged into it, whatever they are called. */
function metadataOf(
  variables: Surroundings['variables'],
  proxyConfig: ProxyConfig,
  warnings: string[],
): Record<string, NodeMetadataValue> {
  const metadata: Record<string, NodeMetadataValue> = {};
  const prefix = 'ISTIO_META_';
  for (const source of [proxyConfig.proxyMetadata, variables]) {
    for (const [name, value] of Object.entries(source)) {
      if (value !== undefined && name.startsWith(prefix)) metadata[name.slice(prefix.length)] = value;
    }
  }
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined || !name.startsWith('ISTIO_METAJSON_')) continue;
    const parsed = jsonObject(value);
    if (parsed === undefined) warnings.push(`${name} is no JSON object, and is left out`);
    // The one whose name means something: labels, and nothing but labels.
    else if (name === 'ISTIO_METAJSON_LABELS') metadata['LABELS'] = parsed;
    else Object.assign(metadata, parsed);
  }
  return metadata;
}

function jsonObject(text: string): Record<string, NodeMetadataValue> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, NodeMetadataValue>;
  } catch {}
  return undefined;
}

function recordOf(value: NodeMetadataValue | undefined): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/** istiod's certificate names its service; whoever dials its IP address (or a forwarded port) expects that name. */
function serverNameOf(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return isIP(host) === 0 && host !== 'localhost' ? host : 'istiod.istio-system.svc';
}

function rootFile(options: IstioOptions, variable: string | undefined, root: string): string | undefined {
  if (options.rootCertificateFile !== undefined) return options.rootCertificateFile;
  // For an istiod behind a public certificate.
  if (variable === 'SYSTEM') return undefined;
  return variable ?? join(root, podPaths.rootCertificate);
}

/** `reviews-v1-6f9d7c5b8-x2k4q` is a pod of the deployment `reviews-v1`, which its hash tells. */
function workloadOfPod(podName: string, labels: Readonly<Record<string, string>>): string {
  const named = labels['service.istio.io/workload-name'];
  if (named !== undefined) return named;
  const hash = labels['pod-template-hash'];
  const at = hash === undefined ? -1 : podName.lastIndexOf(`-${hash}-`);
  return at > 0 ? podName.slice(0, at) : podName;
}

/** `region/zone/subzone`, with dots where a label may have no slash. Source: Istio, `GetLocalityLabel`. */
function localityOf(labels: Readonly<Record<string, string>>): Locality {
  const label = labels['topology.istio.io/locality'] ?? labels['istio-locality'] ?? '';
  const [region, zone, subZone] = label.split(label.includes('/') ? '/' : '.');
  return { ...(region && { region }), ...(zone && { zone }), ...(subZone && { subZone }) };
}

/** A duration of Go (`24h0m0s`) in seconds. */
function secondsOf(text: string | undefined, warnings: string[]): number {
  if (text === undefined) return defaultValiditySeconds;
  const parts = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  const [hours, minutes, seconds] = (parts?.slice(1) ?? []).map((part: string | undefined) => Number(part ?? 0));
  const total = (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0);
  if (total > 0) return total;
  warnings.push(`SECRET_TTL is no duration such as 24h, and is left out: ${JSON.stringify(text)}`);
  return defaultValiditySeconds;
}

function ownAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const usable = all.filter(({ internal, address }) => !internal && !/^(?:fe80:|169\.254\.)/i.test(address));
  // As Istio: the pod's own address is one of IPv4 where there is any.
  return [...usable.filter(({ family }) => family === 'IPv4'), ...usable.filter(({ family }) => family !== 'IPv4')].map(
    ({ address }) => address,
  );
}

function missing(
  found: {
    readonly namespace: string | undefined;
    readonly serviceAccount: string | undefined;
    readonly address: string | undefined;
  },
  token: string,
): MeshError {
  const lacking = [
    ...(found.namespace === undefined ? ['the namespace (POD_NAMESPACE, or the option `namespace`)'] : []),
    ...(found.serviceAccount === undefined ? ['the service account (SERVICE_ACCOUNT, or `serviceAccount`)'] : []),
    ...(found.address === undefined ? ['the IP address of the pod (INSTANCE_IP, or `addresses`)'] : []),
  ];
  return new MeshError('MESH_CONFIG_INVALID', `istio: ${lacking.join(' and ')} cannot be found, and ${token}; ${podRemedy}`);
}

/** Why the token does not say who we are. What is in the file is never quoted. */
function tokenWords(token: string | undefined, tokenFile: string): string {
  if (token === undefined) return `there is no token at ${tokenFile} that says it`;
  if (token.trim() === '') return `the token file ${tokenFile} is empty`;
  return readTokenClaims(token) === undefined
    ? `what is in the token file ${tokenFile} is no JWT`
    : `the token in ${tokenFile} does not say it: it is not one of a service account`;
}

/** What a pod without injection has to have, in the words of its manifest. */
const podRemedy =
  'give the container the volumes' +
  ' {name: istio-token, projected: {sources: [{serviceAccountToken: {path: istio-token, audience: istio-ca, expirationSeconds: 43200}}]}}' +
  ' at /var/run/secrets/tokens and {name: istiod-ca-cert, configMap: {name: istio-ca-root-cert}} at /var/run/secrets/istio,' +
  ' and {name: istio-podinfo, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}, {path: annotations, fieldRef: {fieldPath: metadata.annotations}}]}} at /etc/istio/pod';
