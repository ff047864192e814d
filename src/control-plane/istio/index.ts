/**
 * Istio without a sidecar: connects to istiod as a sidecar does, gets its certificate from istiod's CA, and takes the whole
 * configuration of a sidecar. Everything it needs is found in the pod.
 *
 *     look ── a sidecar or ambient is there ──► stand down: every host is left to DNS, and so to them
 *      ▲└──► settings ──► certificate (CA, port 15012) ──► stream (ADS, port 15012) ──► what is asked for
 *      └─ 0.5 … 5 s ─┘ what is asked for waits: a pod that lacks its token must not send in plaintext what the mesh would secure
 *
 * The stream waits a moment for the first certificate, so that it is usually made once; it does not depend on it.
 */
import { reconnectBackoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/runtime.ts';
import type { ControlPlane, ControlPlaneContext, Demand } from '../../model/contracts.ts';
import type { WorkloadConfig } from '../../model/workload.ts';
import { createAdsClient } from '../xds/client/ads-client.ts';
import { runWatch } from '../watch.ts';
import { createXdsSource } from '../xds/source.ts';
import { adaptCluster } from './alpn.ts';
import { certificateName, createCertificateSource, rootsName, type CertificateSource } from './certificate-source.ts';
import { findSettings, systemSurroundings, type IstioSettings, type Surroundings } from './environment.ts';
import { FileSecrets, isFileSecret, withSystemRoots } from './file-secrets.ts';
import { istioNode, refusedMetadata } from './node.ts';
import { checkIstioOptions, type IstioOptions } from './options.ts';
import { readPodFiles } from './pod-files.ts';
import { PresetStatus, withoutStatus } from './preset-status.ts';
import { residentOf } from './resident.ts';
import { restartedByCertificate, StreamIdentity } from './secured-stream.ts';
import { workloadOf } from './workload.ts';

export type { Surroundings } from './environment.ts';
export { istioOptionsFromUrl, type IstioOptions, type NodeMetadataValue } from './options.ts';

/** A CA answers within some ten milliseconds; one that does not must not hold up the configuration. */
const firstCertificateWaitMs = 1000;

/** A look at the pod reads five small files; a token that is mounted late is found this soon. */
const lookAgainBaseMs = 500;
const lookAgainMaxMs = 5000;

/** What runs once the pod has been looked at. */
interface Running {
  readonly certificates: CertificateSource;
  readonly files: FileSecrets;
  readonly source: ControlPlane;
  readonly settings: IstioSettings;
  readonly workload: WorkloadConfig;
  readonly status: PresetStatus;
}

/**
 * A control plane that asks istiod. Throws a TypeError for a wrong option; what the pod lacks is told in the status with what to put
 * into its manifest, and looked for again until it is there. Until then requests wait, and fail with MESH_CONFIG_TIMEOUT.
 */
export function istioControlPlane(options: IstioOptions = {}, surroundings: Surroundings = systemSurroundings()): ControlPlane {
  checkIstioOptions(options);
  const name = options.name ?? 'istio';
  const begun = Promise.withResolvers<Running | undefined>();
  let isBegun = false;
  let running: Running | undefined;
  /** Demands that came before it was known who answers them, and what answers them when it is nobody. */
  let early: { readonly want: Demand; readonly until: AbortSignal }[] = [];
  let refuse: ((want: Demand) => void) | undefined;

  /** Looks at the pod; undefined = stands down. */
  async function begin(context: ControlPlaneContext): Promise<Running | undefined> {
    const { clock, random, sink } = context;
    if (options.standDown !== 'never') {
      const files = await readPodFiles(surroundings.root);
      const resident = await residentOf({ ...files, labels: options.labels ?? files.labels }, surroundings.residentPorts, clock);
      if (resident !== undefined) {
        const reason = `stands down, because this pod has ${resident}, which does this work: requests go to DNS in plaintext`;
        refuse = (want) => sink.absent(want, `${name} ${reason}`);
        sink.status({ state: 'connected', error: `${reason}; set \`standDown: 'never'\` to use istiod all the same` });
        return undefined;
      }
    }
    const settings = await findSettings(options, surroundings);
    const certificates = createCertificateSource({
      ca: {
        address: settings.caAddress,
        serverName: settings.caServerName,
        rootCertificateFile: settings.caRootCertificateFile,
        tokenFile: settings.tokenFile,
        clusterId: settings.clusterId,
        signer: settings.certificateSigner,
      },
      spiffeId: `spiffe://${settings.trustDomain}/ns/${settings.namespace}/sa/${settings.serviceAccount}`,
      validitySeconds: settings.certificateValiditySeconds,
      clock,
      random,
    });
    const status = new PresetStatus(sink);
    const files = new FileSecrets(surroundings.root, clock, status.filesFail);
    const identity = new StreamIdentity(certificates);
    const source = createXdsSource({
      name,
      mode: 'sidecar',
      localSecrets: {
        has: (secret) => secret === certificateName || secret === rootsName || isFileSecret(secret),
        use: (secrets) => files.use(secrets),
      },
      searchDomains: searchDomainsOf(settings),
      allowLoopback: options.allowLoopback ?? isLoopback(settings.discoveryAddress),
      adaptCluster: (cluster) => withSystemRoots(adaptCluster(cluster)),
      ...(options.outlierDetection !== undefined && { outlierDetection: options.outlierDetection }),
      client: () =>
        restartedByCertificate(
          createAdsClient({
            servers: [
              {
                address: settings.discoveryAddress,
                credentials: {
                  kind: 'tls',
                  serverName: settings.serverName,
                  ...(settings.rootCertificateFile !== undefined && { roots: { file: settings.rootCertificateFile } }),
                  identity: identity.next,
                  callCredentials: { kind: 'jwt', file: settings.tokenFile },
                  metadata: { clusterid: settings.clusterId },
                },
              },
            ],
            node: istioNode(settings),
            variant: options.variant ?? 'delta',
            clock,
            random,
          }),
          certificates,
          identity,
        ),
    });
    status.warn(warningsOf(settings));
    return { certificates, files, source, settings, status, workload: workloadOf(settings) };
  }

  return {
    name,
    get remoteAddresses() {
      return { allowLoopback: options.allowLoopback ?? (running !== undefined && isLoopback(running.settings.discoveryAddress)) };
    },
    get guardsInbound() {
      return refuse === undefined;
    },
    workload: { dialect: 'istio', current: () => running?.workload },
    identity: {
      name,
      async run(sink, signal) {
        const started = await Promise.race([begun.promise, aborted(signal)]);
        if (started === undefined) return;
        const { certificates, files, source, status } = started;
        files.run(withoutStatus(sink), signal);
        await Promise.all([
          certificates.run(status.identitySink(sink), signal),
          source.identity?.run(withoutStatus(sink), signal),
        ]);
      },
    },
    async run(context) {
      if (isBegun) throw new TypeError(`the control plane ${name} runs already; make one per mesh`);
      isBegun = true;
      const { clock, random, signal, sink } = context;
      await runWatch({
        clock,
        random,
        signal,
        async connect() {
          running = await begin(context);
          return 'done';
        },
        onStatus: (status) => sink.status(status),
        backoffMs: (failures) => reconnectBackoff(failures, random, lookAgainBaseMs, lookAgainMaxMs),
      });
      if (signal.aborted) return;
      begun.resolve(running);
      const wanted = early;
      early = [];
      for (const { want, until } of wanted) answer(want, until);
      if (running === undefined) {
        await aborted(signal);
        return;
      }
      await firstOf(running.certificates, clock, signal);
      await running.source.run({ ...context, sink: running.status.streamSink });
    },
    demand: answer,
    awaits: (want) => running?.source.awaits?.(want),
    findings: () => running?.source.findings?.() ?? { rejected: [], unhonoured: [] },
  };

  function answer(want: Demand, until: AbortSignal): void {
    if (refuse !== undefined) refuse(want);
    else if (running === undefined) early.push({ want, until });
    else running.source.demand?.(want, until);
  }
}

/** The first certificate, or the end of the patience with the CA. */
function firstOf(certificates: CertificateSource, clock: Clock, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.setTimer(resolve, firstCertificateWaitMs);
  const end = (): void => {
    timer.cancel();
    resolve();
  };
  certificates.onChange(end);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted || certificates.current() !== undefined) end();
  return promise;
}

/** As Kubernetes completes the names that a container looks up. */
function searchDomainsOf({ namespace, clusterDomain }: IstioSettings): readonly string[] {
  return [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
}

function warningsOf(settings: IstioSettings): readonly string[] {
  const refused = refusedMetadata(settings).map((metadata) => `ISTIO_META_${metadata} is not done here, and is not asked for`);
  return [...settings.warnings, ...refused];
}

function isLoopback(address: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]):/.test(address);
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}
