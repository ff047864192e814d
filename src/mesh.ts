/**
 * createMesh(): the only file that knows both planes. It makes the parts, connects them, and takes them down in the right order.
 */
import type { Dispatcher } from 'undici';
import { explain } from './admin/explain.ts';
import { publishApplied, publishIdentity, statusPublisher } from './admin/publish.ts';
import { describeSources } from './admin/describe-sources.ts';
import { gaugesOf } from './admin/readings.ts';
import { meshStatus } from './admin/status.ts';
import { whenReady } from './admin/when-ready.ts';
import { createAgents } from './agents/create-agents.ts';
import { Deadlines } from './base/deadlines.ts';
import { MeshError } from './base/errors.ts';
import { LoopWatch } from './base/loop-watch.ts';
import { holdingProcess, systemClock, systemRandom, yieldToLoop } from './base/runtime.ts';
import { refusalOf } from './control-plane/address-refusal.ts';
import { Demands } from './control-plane/demands.ts';
import { dnsControlPlane } from './control-plane/dns/index.ts';
import { loadControlPlane, type LoadedControlPlane } from './control-plane/index.ts';
import { SettingsOfFiles } from './control-plane/settings-of-files.ts';
import { createConfigStore } from './control-plane/store.ts';
import { LiveConfig } from './data-plane/live-config.ts';
import { loadBalancingPolicies } from './data-plane/load-balancing/index.ts';
import { OutboundDispatcher } from './data-plane/dispatcher.ts';
import { HealthChecks } from './data-plane/health-checks/health-checks.ts';
import { LoadReports } from './data-plane/load-reports/load-reports.ts';
import { chosenDispatcher, fallbackDispatcher } from './data-plane/fallback-dispatcher.ts';
import { createConnectionFactory } from './data-plane/transport/connection-factory.ts';
import { WorkloadPeers } from './data-plane/workload/workload-peers.ts';
import { createFetch } from './fetch/create-fetch.ts';
import type { ControlPlane } from './model/contracts.ts';
import { MeshInbound } from './mesh-inbound.ts';
import type { Mesh } from './mesh-interface.ts';
import { checkOptions, type MeshOptions } from './options.ts';
import { runPlanes } from './run-planes.ts';
import { createIdentityStore, type IdentityStore } from './security/identity-store.ts';
import { createTelemetry } from './telemetry/telemetry.ts';
import { createDnsResolver } from './wire/dns.ts';

const defaultConfigTimeoutMs = 5000;
const defaultDrainTimeoutMs = 10_000;

/**
 * Makes a mesh. Resolves when the configuration of files and objects is in force; remote control planes go on connecting, and a
 * first request waits for them, bounded. Rejects with MESH_CONFIG_INVALID, MESH_CONFIG_UNREADABLE or MESH_IDENTITY_INVALID, with
 * every mistake and its place.
 */
export async function createMesh(options: MeshOptions = {}): Promise<Mesh> {
  checkOptions(options);
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const name = options.name ?? 'mesh';
  const configTimeoutMs = options.configTimeoutMs ?? defaultConfigTimeoutMs;
  const drainTimeoutMs = options.drainTimeoutMs ?? defaultDrainTimeoutMs;
  const stop = new AbortController();
  const previous = chosenDispatcher();

  const files = new SettingsOfFiles();
  const dns = dnsControlPlane({ defaults: () => files.current() });
  const loaded: LoadedControlPlane[] = [];
  for (const [position, input] of listOf(options.controlPlane).entries()) {
    loaded.push(
      await loadControlPlane(
        input,
        (next) => {
          files.set(position, next);
          dns.defaultsChanged();
          config.forgetOrigins();
        },
        loaded,
      ),
    );
  }
  const planes: ControlPlane[] = [...loaded.map(({ plane }) => plane), dns];

  const named = planes.find(({ workload }) => workload !== undefined);
  const peers = named === undefined ? undefined : new WorkloadPeers(named.name, named.workload!);
  const telemetry = createTelemetry({ meshName: name, clock, workload: named?.workload });
  const resolver = createDnsResolver({ clock, random });
  const identities: IdentityStore = createIdentityStore({
    clock,
    onEvent: (event) => publishIdentity(telemetry, identities, event),
  });
  const connections = createConnectionFactory(identities, clock, telemetry, options.endpointDispatcher);
  identities.watch(({ name: secret }) => connections.rotate(secret));
  const demands: Demands = new Demands({
    absence: (source, want) => store.absenceReason(source, want),
    forget: (source, want) => store.forgetAbsence(source, want),
    activity: (source, want) => config.activityOf(source, want),
  });
  for (const plane of planes) demands.add(plane.name, plane);

  const publishStatus = statusPublisher(telemetry, stop.signal);
  const store = createConfigStore({
    sources: planes.map((plane) => plane.name),
    clock,
    policyNames: [...loadBalancingPolicies.keys()],
    checkPolicyOptions: ({ policy, options: policyOptions }, path) =>
      void loadBalancingPolicies.get(policy)?.options.parse(policyOptions, path),
    onSnapshot(snapshot) {
      config.apply(snapshot);
      wayIn.apply(snapshot);
    },
    onApplied(source, result, version) {
      demands.markDelivered(source);
      wayIn.applied(source, result);
      publishApplied(telemetry, source, result, version);
      config.settleWaiters();
    },
    onAbsent(source, want) {
      config.settleWaiters();
      if (want.kind === 'cluster') config.endpointsAbsent(source, want.name);
    },
    onStatus(source, status) {
      publishStatus(source, status);
      wayIn.spoke(source);
    },
  });

  const wayIn = new MeshInbound({
    name,
    clock,
    random,
    telemetry,
    planes,
    store,
    identities,
    workloads: peers?.known,
    dispatcher: () => dispatcher,
  });
  const config = new LiveConfig(
    {
      clock,
      random,
      resolver,
      policies: loadBalancingPolicies,
      connections,
      healthChecks: new HealthChecks({ clock, random, identities }),
      loadReports: new LoadReports({ clock, random, identities, telemetry }),
      refusalOf: (source, address) =>
        refusalOf(
          planes.find(({ name: other }) => other === source),
          address,
        ),
      telemetry,
      locality: options.locality,
      demandEndpoints(source, cluster) {
        const want = { kind: 'cluster', name: cluster } as const;
        return demands.ask(source, want) === 'pending'
          ? undefined
          : (demands.reason(source, want) ?? `${source} delivers nothing on demand`);
      },
    },
    {
      lastResort: dns.name,
      usesLastResort: () => unusedSource() === undefined,
      ask: (source, want) => demands.ask(source, want),
      reason: (source, want) => demands.reason(source, want),
      describe: (want) =>
        describeSources(
          store.status().filter(({ source }) => source !== unusedSource()),
          (source) => planes.find((plane) => plane.name === source)?.awaits?.(want),
        ),
    },
  );

  const unusedSource = (): string | undefined => (refusesUnknownHosts() || fallback() !== undefined ? dns.name : undefined);
  // The sources are there before their first update, so that a first request asks those that answer on demand.
  config.apply(store.snapshot());
  telemetry.observe(gaugesOf(config, identities));
  const forbidsNonIdempotentRetries = options.nonIdempotentRetries === 'never';
  const dispatcher = new OutboundDispatcher({
    config,
    clock,
    random,
    deadlines: new Deadlines(clock),
    loop: new LoopWatch(),
    telemetry,
    rateLimits: config.rateLimits,
    peers,
    configTimeoutMs,
    forbidsNonIdempotentRetries,
    fallback,
  });

  /** The first word on it counts: the option, then the files in the order of precedence. */
  function refusesUnknownHosts(): boolean {
    return (options.unknownHosts ?? files.unknownHosts()) === 'refuse';
  }

  /** The global dispatcher that the program has set, unless that is this mesh; none where unknown hosts are refused. */
  function fallback(): Dispatcher | undefined {
    if (refusesUnknownHosts()) return undefined;
    return fallbackDispatcher(previous);
  }

  function serves(origin: string | URL): boolean | Promise<boolean> {
    if (refusesUnknownHosts()) return true;
    const asked = typeof origin === 'string' ? origin : `${origin.protocol}//${origin.host}`;
    return config.serves(asked) ?? holdingProcess(config.whenServed(asked, configTimeoutMs, stop.signal));
  }

  const runs = runPlanes(planes, { store, identities, demands, config, files, clock, random, signal: stop.signal });

  /** Ends everything that runs beside the requests. */
  async function stopRunning(): Promise<void> {
    stop.abort();
    demands.close();
    await Promise.allSettled(runs);
    const closed = config.close();
    connections.close(new MeshError('MESH_CLOSED', 'the mesh was closed'));
    await closed;
    resolver.close();
    telemetry.close();
  }

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    const endMs = clock.now() + drainTimeoutMs;
    // The way in first: the requests that are let finish make requests of their own. Without ports, refuse at once.
    const ports = wayIn.close(drainTimeoutMs);
    if (ports !== undefined) await ports;
    const drained = dispatcher.close();
    const { promise: expired, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimer(resolve, Math.max(0, endMs - clock.now()));
    await holdingProcess(Promise.race([drained, expired]));
    timer.cancel();
    await dispatcher.destroy(
      new MeshError('MESH_CLOSED', `the mesh was closed and the request did not end within ${drainTimeoutMs} ms`),
    );
    await stopRunning();
  }

  try {
    const local = loaded.filter(({ isLocal }) => isLocal).map(({ plane }) => store.firstUpdate(plane.name));
    // A turn later, so that an identity that failed on the way is heard.
    await holdingProcess(
      Promise.race([Promise.all(local).then(yieldToLoop), ...runs.map((run) => run.then(() => new Promise<never>(() => {})))]),
    );
  } catch (error) {
    await stopRunning();
    throw error;
  }

  const agents = createAgents(dispatcher, clock);
  return {
    name,
    fetch: createFetch(dispatcher),
    dispatcher,
    get httpAgent() {
      return agents.httpAgent;
    },
    get httpsAgent() {
      return agents.httpsAgent;
    },
    listen: (handler, listenOptions) => wayIn.listen(handler, { drainTimeoutMs, ...listenOptions }),
    inbound: (doorOptions) => wayIn.door(doorOptions ?? {}),
    serves,
    explain: (url, init) => explain(config, url, init ?? {}, { clock, fallback, forbidsNonIdempotentRetries }),
    status: () =>
      meshStatus({
        name,
        config,
        store,
        identities,
        clock,
        unusedSource: unusedSource(),
        inbound: wayIn.status(),
        findingsOf: (source) => planes.find((plane) => plane.name === source)?.findings?.(),
      }),
    ready: () => whenReady({ planes: loaded.map(({ plane }) => plane), store, identities, clock, timeoutMs: configTimeoutMs }),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => (closing ??= close()),
  };
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
