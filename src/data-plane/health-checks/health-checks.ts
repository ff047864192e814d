import { AsyncResource } from 'node:async_hooks';
import type { Clock, Random } from '../../base/runtime.ts';
import type { IdentityStore } from '../../security/identity-store.ts';
import type { CheckSurroundings } from './check-connection.ts';
import { CheckSlots } from './check-slots.ts';
import type { CheckTarget } from './check-target.ts';
import { EndpointCheck, type CheckWatcher } from './endpoint-check.ts';
import { createGrpcProbe } from './grpc-probe.ts';
import type { HealthProbe } from './health-probe.ts';
import { createHttpProbe } from './http-probe.ts';
import { createTcpProbe } from './tcp-probe.ts';

const probes = { http: createHttpProbe, tcp: createTcpProbe, grpc: createGrpcProbe } as const;

/** Makes what asks an endpoint. Throws for one that can never be asked. */
export type CreateProbe = (target: CheckTarget, surroundings: CheckSurroundings) => HealthProbe;

const createProbe: CreateProbe = (target, surroundings) => probes[target.check.kind](target, surroundings);

/**
 * Every active health check of a mesh. Clusters that ask the same of the same endpoint share one check; it ends with the last of
 * them. Without a check there is no timer, no socket and nobody listening.
 */
export class HealthChecks {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly identities: IdentityStore;
  private readonly createProbe: CreateProbe;
  private readonly slots = new CheckSlots();
  private readonly checks = new Map<string, EndpointCheck>();
  private unwatchIdentities: (() => void) | undefined = undefined;
  /** Checks belong to the mesh, not to the request in whose course the endpoints became known. */
  private readonly scope = new AsyncResource('MESHFETCH_HEALTH_CHECK');

  constructor(dependencies: {
    readonly clock: Clock;
    readonly random: Random;
    readonly identities: IdentityStore;
    readonly createProbe?: CreateProbe;
  }) {
    this.clock = dependencies.clock;
    this.random = dependencies.random;
    this.identities = dependencies.identities;
    this.createProbe = dependencies.createProbe ?? createProbe;
  }

  /** Checks that run. */
  get size(): number {
    return this.checks.size;
  }

  /** The check of this target, made where it is the first; its verdicts go to `watcher` until {@link HealthChecks.leave}. */
  watch(target: CheckTarget, watcher: CheckWatcher): EndpointCheck {
    let check = this.checks.get(target.key);
    if (check === undefined) {
      const { clock, random, slots } = this;
      const made = new EndpointCheck(target, this.probeOf(target), { clock, random, slots });
      check = made;
      this.checks.set(target.key, made);
      this.unwatchIdentities ??= this.identities.watch(({ name }) => this.rotate(name));
      made.add(watcher);
      this.scope.runInAsyncScope(() => made.begin());
    } else check.add(watcher);
    return check;
  }

  /** Ends the check with the last of its watchers. */
  leave(check: EndpointCheck, watcher: CheckWatcher): void {
    check.remove(watcher);
    if (check.isWatched || this.checks.get(check.target.key) !== check) return;
    this.checks.delete(check.target.key);
    check.close();
    if (this.checks.size > 0) return;
    this.unwatchIdentities?.();
    this.unwatchIdentities = undefined;
  }

  private probeOf(target: CheckTarget): HealthProbe {
    const { clock, identities } = this;
    try {
      return this.createProbe(target, { clock, identities });
    } catch (error) {
      // What the store lets pass can be asked; whatever else comes here is a check that fails and says why.
      const reason = error instanceof Error ? error.message : String(error);
      return { begin: (onVerdict) => onVerdict({ kind: 'network', reason }), close: () => {}, isConnected: false };
    }
  }

  private rotate(secret: string): void {
    for (const check of this.checks.values()) {
      const { tls } = check.target;
      if (tls !== undefined && (tls.identity === secret || tls.trust === secret)) check.renew();
    }
  }
}
