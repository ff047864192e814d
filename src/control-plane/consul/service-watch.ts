/**
 * Watches one service: a series of blocking queries, under the rules that Consul's documentation gives for their index, and two more
 * that a real agent showed to be needed.
 *
 * - Index 0, or one lower than before: ask again from 0, and do not use that answer. After a broken connection: from 0 as well, since
 *   a restarted agent would hold a query with an old, higher index for the whole wait.
 * - An empty answer to a blocking query empties nothing by itself: the streaming backend answers `[]` when a token was revoked or may
 *   not see the instances. It is asked again from 0, where Consul says 403, or that ACLs hid something, or that there is no leader.
 * - A confirmed empty answer whose index is lower than that of the instances we hold comes from servers that lost their memory
 *   (restored, replaced, a restarted development agent). The instances are kept until their agents had time to register them anew.
 * - An answer of which nothing can be used does not empty a good table either.
 * - Any other empty answer is believed: the control plane is well and says that nothing is there.
 */
import { MeshError } from '../../base/errors.ts';
import { sleep, type Clock } from '../../base/runtime.ts';
import type { WatchSession } from '../watch.ts';
import { aclRemedy, type ConsulClient, type HealthAnswer } from './client.ts';
import type { ConsulSettings } from './options.ts';
import type { PollShare } from './poll-share.ts';
import { clusterNameOf, type ServiceTarget } from './service-target.ts';
import { translateInstances, type TranslatedInstances } from './translate.ts';

/** Where a watch delivers to. Each is called only when something changed. */
export interface ServiceListener {
  /** `instances.registered` is 0 when the last instance was deregistered. */
  instances(instances: TranslatedInstances, index: bigint): void;
  /** Nothing of this name was ever seen. */
  absent(reason: string): void;
}

/** Consul holds agents to re-register within this time, in clusters of up to 128 nodes. Source: documentation, "Anti-entropy". */
const reregisterMs = 60_000;
/** A service that changes all the time is asked at most five times a second. */
const minQueryIntervalMs = 200;
/** The same index again, long before the wait was over: something in between does not let queries block. */
const unblockedIntervalMs = 1000;

export class ServiceWatch {
  readonly #client: ConsulClient;
  readonly #settings: ConsulSettings;
  readonly #target: ServiceTarget;
  readonly #cluster: string;
  readonly #listener: ServiceListener;
  readonly #share: PollShare;
  readonly #clock: Clock;
  #index = 0n;
  /** What was delivered last, as text to compare with. */
  #delivered: string | undefined;
  /** Index of the last answer with instances. */
  #instancesIndex = 0n;
  #hasInstances = false;
  #keptUntilMs: number | undefined;
  #absentReason: string | undefined;
  /** Said by plain queries only: the streaming backend is silent about ACLs. */
  #someHidden = false;

  constructor(parts: {
    readonly client: ConsulClient;
    readonly settings: ConsulSettings;
    readonly target: ServiceTarget;
    readonly listener: ServiceListener;
    readonly share: PollShare;
    readonly clock: Clock;
  }) {
    this.#client = parts.client;
    this.#settings = parts.settings;
    this.#target = parts.target;
    this.#cluster = clusterNameOf(parts.target, parts.settings.domain);
    this.#listener = parts.listener;
    this.#share = parts.share;
    this.#clock = parts.clock;
  }

  /** One connection, for `runWatch`: polls until a query fails or the signal aborts. */
  async connect(session: WatchSession): Promise<'again'> {
    this.#index = 0n;
    for (;;) {
      const startedMs = this.#clock.now();
      const before = this.#index;
      const cut = this.#share.cut;
      const waitMs = this.#waitMs();
      let answer: HealthAnswer;
      try {
        answer = await this.#ask(waitMs, AbortSignal.any([session.signal, cut]));
      } catch (error) {
        if (cut.aborted && !session.signal.aborted) continue;
        throw error;
      }
      if (session.signal.aborted) return 'again';
      session.good(this.#take(answer));
      const elapsedMs = this.#clock.now() - startedMs;
      const unblocked = answer.index === 0n || (before > 0n && answer.index === before && elapsedMs < waitMs / 2);
      const restMs = (unblocked ? unblockedIntervalMs : minQueryIntervalMs) - elapsedMs;
      // The question that confirms an answer is put at once.
      if (restMs > 0 && !(before > 0n && this.#index === 0n && !unblocked)) await sleep(this.#clock, restMs, session.signal);
    }
  }

  #waitMs(): number {
    const waitMs = this.#share.waitMs(this.#settings.waitMs);
    if (this.#keptUntilMs === undefined) return waitMs;
    return Math.min(waitMs, Math.max(1000, Math.ceil(this.#keptUntilMs - this.#clock.now())));
  }

  #ask(waitMs: number, signal: AbortSignal): Promise<HealthAnswer> {
    const { service, datacenter = this.#settings.datacenter, tag } = this.#target;
    const tags = tag === undefined ? this.#settings.tags : [...this.#settings.tags, tag];
    return this.#client.health({ service, datacenter, tags, index: this.#index, waitMs }, signal);
  }

  /** Uses an answer and sets the index to go on from. Returns what is wrong although the answer was good. */
  #take(answer: HealthAnswer): string | undefined {
    const asked = this.#index;
    if (!Array.isArray(answer.body)) throw this.#failure('its answer is no list; is this address the HTTP API of Consul 1.x?');
    const body = answer.body as readonly unknown[];
    const wentBack = answer.index < asked;
    const unconfirmed = body.length === 0 && asked > 0n && this.#mattersWhenEmpty();
    if (wentBack || unconfirmed) {
      this.#index = 0n;
      return undefined;
    }
    if (!answer.knownLeader) throw this.#failure('its servers have no leader, so the answer may be old; the last instances stay');
    this.#index = answer.index;
    if (asked === 0n) this.#someHidden = answer.filteredByAcl;
    return body.length === 0 ? this.#takeEmpty(answer, asked === 0n) : this.#takeInstances(body, answer);
  }

  #mattersWhenEmpty(): boolean {
    return this.#hasInstances || this.#keptUntilMs !== undefined;
  }

  #takeInstances(body: readonly unknown[], answer: HealthAnswer): string | undefined {
    const { service } = this.#target;
    const translated = translateInstances(this.#cluster, body, this.#settings);
    this.#keptUntilMs = undefined;
    this.#absentReason = undefined;
    if (translated.unreadable > 0 && translated.endpoints.localities.length === 0 && this.#hasInstances) {
      const { path, reason } = translated.problems[0]!;
      return `no instance of "${service}" can be used (${path} ${reason}); the last ones stay`;
    }
    this.#hasInstances = true;
    this.#instancesIndex = answer.index;
    this.#deliver(translated, answer.index);
    return this.#someHidden ? `some instances of "${service}" are hidden by ACLs: ${aclRemedy}` : undefined;
  }

  #takeEmpty(answer: HealthAnswer, confirmed: boolean): string | undefined {
    const { service } = this.#target;
    if (answer.filteredByAcl) throw this.#failure(`its ACLs hide the instances of "${service}" from this token; ${aclRemedy}`);
    if (this.#delivered === undefined) return this.#takeAbsent(answer);
    if (!this.#hasInstances) return undefined;
    if (this.#settings.keepLastInstances) return `"${service}" has no instance left; the last ones stay (keepLastInstances)`;
    const now = this.#clock.now();
    if (confirmed && answer.index < this.#instancesIndex) this.#keptUntilMs ??= now + reregisterMs;
    if (this.#keptUntilMs !== undefined && now < this.#keptUntilMs) {
      return `Consul at ${this.#settings.origin} lost its memory of "${service}" (its index went back); the last instances stay for a minute`;
    }
    this.#keptUntilMs = undefined;
    this.#hasInstances = false;
    this.#deliver(translateInstances(this.#cluster, [], this.#settings), answer.index);
    return undefined;
  }

  #takeAbsent(answer: HealthAnswer): string | undefined {
    const { service, datacenter = this.#settings.datacenter, tag } = this.#target;
    const tags = [...this.#settings.tags, ...(tag === undefined ? [] : [tag])];
    const which = `service "${service}"${tags.length > 0 ? ` with tag ${tags.map((name) => `"${name}"`).join(' and ')}` : ''}`;
    const hidden = answer.defaultPolicy === 'deny' && !this.#settings.hasToken;
    const reason = `Consul at ${this.#settings.origin} has no ${which}${datacenter === undefined ? '' : ` in ${datacenter}`}${
      hidden ? `, or hides it: its ACLs deny by default and no token is given (tokenFile, CONSUL_HTTP_TOKEN); ${aclRemedy}` : ''
    }`;
    if (reason !== this.#absentReason) this.#listener.absent(reason);
    this.#absentReason = reason;
    return hidden ? reason : undefined;
  }

  #deliver(instances: TranslatedInstances, index: bigint): void {
    const text = JSON.stringify(instances);
    if (text === this.#delivered) return;
    this.#delivered = text;
    this.#listener.instances(instances, index);
  }

  #failure(reason: string): MeshError {
    return new MeshError('MESH_CONTROL_PLANE', `Consul at ${this.#settings.origin}: ${reason}`);
  }
}
