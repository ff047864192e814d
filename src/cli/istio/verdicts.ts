/**
 * What of Istio's resources is not carried out in a process, and why. Everything else is: istiod turns it into configuration of Envoy,
 * and that is read. A path names a field and all that is below it; `[]` stands for the elements of lists, `<>` for the keys of maps.
 */

/**
 * Why a field has no effect; `when` = only where it holds one of these values (`!` before one: any other). With the effect `fails`
 * requests fail because of it, with `works` it is carried out, and there is something to know about it.
 */
export interface Verdict {
  readonly path: string;
  readonly reason: string;
  readonly effect?: 'fails' | 'works';
  readonly when?: readonly string[];
}

const sockets = 'is about raw connections, which no HTTP client of a program opens through the mesh';
const gateways = 'is for gateways, which are proxies of their own';
const files =
  'is a file of the pod, which the preset `istioControlPlane` reads and watches; other control planes of meshfetch do not';
const telemetry = 'is not taken over: what is told goes to the OpenTelemetry SDK of the process';
const listens =
  'holds for requests that the program takes through `mesh.listen` or a middleware of the mesh; a server without either does as it did';
const ownLimits = 'is about a proxy in front of the program: set `limits` of `mesh.listen`, and `admission` in mesh.yaml';

const trafficPolicy = (at: string): readonly Verdict[] => [
  { path: `${at}.tunnel`, reason: sockets },
  { path: `${at}.proxyProtocol`, reason: 'the PROXY protocol is not spoken' },
  ...connection(at),
  ...connection(`${at}.portLevelSettings[]`),
];

const connection = (at: string): readonly Verdict[] => [
  { path: `${at}.connectionPool.http.h2UpgradePolicy`, reason: 'the protocol is the one of the request' },
  { path: `${at}.connectionPool.http.useClientProtocol`, reason: 'the protocol is the one of the request' },
  { path: `${at}.connectionPool.http.maxConcurrentStreams`, reason: 'the bound of the peer holds' },
  { path: `${at}.connectionPool.http.http2KeepAlive`, reason: 'the runtime has its own' },
  { path: `${at}.connectionPool.tcp.tcpKeepalive`, reason: 'the runtime has its own' },
  { path: `${at}.connectionPool.tcp.idleTimeout`, reason: sockets },
  { path: `${at}.tls.clientCertificate`, effect: 'works', reason: files },
  { path: `${at}.tls.privateKey`, effect: 'works', reason: files },
  { path: `${at}.tls.caCertificates`, effect: 'works', reason: files },
  {
    path: `${at}.tls.caCrl`,
    effect: 'fails',
    reason: 'revoked certificates are not looked up in a file, so that every connection fails',
  },
  { path: `${at}.tls.credentialName`, reason: gateways },
  {
    path: `${at}.tls.insecureSkipVerify`,
    when: ['true'],
    reason: 'a peer whose certificate is not verified is never accepted',
  },
];

/** By kind. The path `''` is the whole resource. */
export const verdicts: Readonly<Record<string, readonly Verdict[]>> = {
  AuthorizationPolicy: [
    { path: '', effect: 'works', reason: listens },
    { path: 'targetRef', reason: gateways },
    { path: 'targetRefs', reason: gateways },
  ],
  PeerAuthentication: [{ path: '', effect: 'works', reason: listens }],
  RequestAuthentication: [
    { path: '', effect: 'works', reason: listens },
    { path: 'targetRef', reason: gateways },
    { path: 'targetRefs', reason: gateways },
  ],
  Gateway: [{ path: '', reason: gateways }],
  WorkloadGroup: [{ path: '', reason: 'a process does not register itself; write a WorkloadEntry' }],
  ProxyConfig: [{ path: '', reason: 'is about the process of a proxy, of which there is none' }],
  WasmPlugin: [
    { path: '', reason: 'WebAssembly is not run in a process; requests through such a filter fail unless it may fail open' },
  ],
  TrafficExtension: [
    {
      path: '',
      reason: 'neither WebAssembly nor Lua is run in a process; requests through such a filter fail unless it may fail open',
    },
  ],
  EnvoyFilter: [
    {
      path: 'configPatches',
      reason:
        'is applied by istiod; what becomes of it is seen in the result: istioctl proxy-config all POD -o json, and validate that file',
    },
  ],
  Telemetry: [
    { path: 'tracing', reason: telemetry },
    {
      path: 'accessLogging',
      effect: 'works',
      reason: 'tells of requests that come in; those that go out are told as events and to the OpenTelemetry SDK of the process',
    },
    { path: 'metrics', reason: 'names and labels of the metrics are those that Istio has by default' },
  ],
  VirtualService: [
    { path: 'tcp', reason: sockets },
    { path: 'tls', reason: sockets },
    { path: 'gateways[]', when: ['!mesh'], reason: gateways },
    { path: 'http[].match[].gateways[]', when: ['!mesh'], reason: gateways },
    { path: 'http[].corsPolicy', reason: 'is for browsers, which do not call through a client of a program' },
    { path: 'http[].match[].statPrefix', reason: 'metrics go by service and route' },
  ],
  DestinationRule: [...trafficPolicy('trafficPolicy'), ...trafficPolicy('subsets[].trafficPolicy')],
  ServiceEntry: [
    {
      path: 'ports[].protocol',
      when: ['TCP', 'TLS', 'MONGO', 'MYSQL', 'REDIS', 'UDP'],
      reason: sockets,
    },
    { path: 'resolution', when: ['NONE'], reason: 'requests go to the address that was asked for, without balancing' },
  ],
  Sidecar: [
    { path: 'ingress', effect: 'works', reason: listens },
    { path: 'ingress[].bind', reason: 'the program says what it listens on' },
    { path: 'ingress[].captureMode', reason: 'nothing is captured: the program listens itself' },
    { path: 'ingress[].defaultEndpoint', reason: 'requests go to the program that listens, in this process' },
    { path: 'ingress[].connectionPool', reason: ownLimits },
    { path: 'inboundConnectionPool', reason: ownLimits },
    { path: 'egress[].captureMode', reason: 'nothing is captured: requests go through the mesh by their client' },
    { path: 'egress[].bind', reason: 'nothing is listened on' },
    { path: 'outboundTrafficPolicy', reason: 'hosts that the mesh does not know are the business of the option `unknownHosts`' },
  ],
  WorkloadEntry: [],
};
