/** A source on a store of its own, and a stream without a server: what is asked, pushed and in force is in the hands of the test. */
import { createConfigStore, type ConfigStore } from '../../src/control-plane/store.ts';
import { createXdsSource, type XdsSourceOptions } from '../../src/control-plane/xds/source.ts';
import { loadBalancingPolicies } from '../../src/data-plane/load-balancing/index.ts';
import { seededRandom, systemClock, yieldToLoop, type Clock } from '../../src/base/runtime.ts';
import type {
  ApplyResult,
  ControlPlane,
  ControlPlaneStatus,
  Demand,
  IdentitySink,
  SourceFindings,
} from '../../src/model/contracts.ts';
import type { ResourceKind, ResourceTypes, SourceSnapshot } from '../../src/model/snapshot.ts';
import type { Svid, TrustBundle } from '../../src/model/identity.ts';
import { FakeAdsClient } from './fake-ads-client.ts';

export interface SourceOnStore extends AsyncDisposable {
  readonly client: FakeAdsClient;
  readonly store: ConfigStore;
  readonly plane: ControlPlane;
  readonly statuses: ControlPlaneStatus[];
  readonly absences: { readonly want: Demand; readonly reason: string }[];
  readonly applied: ApplyResult[];
  /** What identities were handed over, by name. */
  readonly svids: Map<string, Svid>;
  readonly bundles: Map<string, TrustBundle>;
  /** Asks for an authority `host:port` or a cluster; the returned function ends it. */
  ask(what: string): () => void;
  /** What is in force. */
  snapshot(): SourceSnapshot;
  value<K extends ResourceKind>(kind: K, name: string): ResourceTypes[K] | undefined;
  findings(): SourceFindings;
  /** Resolves when nothing is under way any more. */
  settled(): Promise<void>;
}

/** Starts one; in `sidecar` mode unless the options say otherwise. */
export async function sourceOnStore(options: Partial<XdsSourceOptions> = {}, clock: Clock = systemClock): Promise<SourceOnStore> {
  const client = new FakeAdsClient();
  const plane = createXdsSource({ name: 'xds', mode: 'sidecar', client, ...options });
  const statuses: ControlPlaneStatus[] = [];
  const absences: { want: Demand; reason: string }[] = [];
  const applied: ApplyResult[] = [];
  const store = createConfigStore({
    sources: ['xds'],
    clock,
    policyNames: [...loadBalancingPolicies.keys()],
    onSnapshot: () => {},
    onApplied: (_source, result) => applied.push(result),
    onAbsent: (_source, want, reason) => absences.push({ want, reason }),
    onStatus: (_source, status) => statuses.push(status),
  });
  const stop = new AbortController();
  const svids = new Map<string, Svid>();
  const bundles = new Map<string, TrustBundle>();
  const identities: IdentitySink = {
    setSvid: (svid) => {
      svids.set(svid.name, svid);
      return { ok: true };
    },
    setTrustBundle: (bundle) => {
      bundles.set(bundle.name, bundle);
      return { ok: true };
    },
    remove: (name) => {
      svids.delete(name);
      bundles.delete(name);
    },
    status: () => {},
  };
  const runs = [
    Promise.resolve(plane.identity?.run(identities, stop.signal)),
    plane.run({ sink: store.sink('xds'), clock, random: seededRandom(1), signal: stop.signal }),
  ];
  await client.running;
  const snapshot = (): SourceSnapshot => store.snapshot().sources[0]!;
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await yieldToLoop();
  };
  return {
    client,
    store,
    plane,
    statuses,
    absences,
    applied,
    svids,
    bundles,
    snapshot,
    settled,
    value: (kind, name) => {
      const { listeners, routeTables, clusters, endpoints } = snapshot();
      const all = { listener: listeners, 'route-table': routeTables, cluster: clusters, endpoints } as const;
      return all[kind].get(name) as never;
    },
    findings: () => plane.findings!(),
    ask(what) {
      const end = new AbortController();
      const parts = /^(?<host>.+):(?<port>\d+)$/.exec(what)?.groups;
      const want: Demand =
        parts === undefined || what.includes('|')
          ? { kind: 'cluster', name: what }
          : { kind: 'authority', host: parts['host']!, port: Number(parts['port']) };
      store.forgetAbsence('xds', want);
      plane.demand!(want, end.signal);
      return () => end.abort();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(runs);
    },
  };
}
