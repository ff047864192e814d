/**
 * What the policies of its route make of one request, beyond the route timeout and the retries that nearly every route has. A
 * request under none of these policies has no plan, and pays one comparison for all of them. Its methods stand in the order in
 * which outbound.ts calls them.
 */
import { formatGrpcTimeout } from '../base/grpc-timeout.ts';
import type { RetryConfig } from '../model/policy.ts';
import type { RequestPolicy } from '../model/route.ts';
import { flagsOf } from '../telemetry/failure.ts';
import type { RequestOutcome } from '../telemetry/request-span.ts';
import { askedPolicy, type AskedPolicy } from './asked-policy.ts';
import type { Attempt } from './attempt.ts';
import { hedgesOf, type CallHedges } from './call-hedges.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { HostWish } from './cluster/pick-host.ts';
import { attemptHeader } from './inherit.ts';
import { followRedirect } from './internal-redirect.ts';
import { localAnswer, type LocalReason } from './local-response.ts';
import { copyTo } from './mirror.ts';
import type { Call } from './outbound.ts';
import { faultInjectionOf, type FaultPlan } from './resilience/fault-injection.ts';
import { pacedHandler } from './resilience/paced-response.ts';
import { overrideHeaders } from './resilience/request-overrides.ts';
import { retriesSuccess } from './resilience/retry.ts';
import { StreamTimers } from './response-timeouts.ts';
import { idempotentOnly } from './route-again.ts';
import { answerOf, type LocalAnswer } from './routing/answer.ts';
import type { CompiledDestination, CompiledMirror, CompiledRoute } from './routing/compiled-route.ts';
import {
  editRequest,
  editResponseHeaders,
  forwardedHostHeader,
  withForwardedHost,
  type EditableRequest,
  type EditedRequest,
  type RequestEdit,
  type ResponseHeaders,
} from './routing/edit-request.ts';
import { compileMutation } from './routing/header-mutation.ts';
import { requestHasherOf, type RequestHash } from './routing/request-hash.ts';
import { headerOf } from './routing/request-view.ts';
import { sessionOf, type Session } from './routing/session-affinity.ts';
import type { SendOptions } from './send-options.ts';

export class CallPlan {
  readonly policy: RequestPolicy;
  /** The whole request; 0 = as long as it likes. */
  readonly timeoutMs: number;
  readonly retry: RetryConfig | undefined;
  /** Whether a response below 400 could call for another attempt. */
  readonly retriesSuccess: boolean;
  timers: StreamTimers | undefined = undefined;
  /** Where there may be several attempts at a time. */
  hedges: CallHedges | undefined = undefined;
  private readonly call: Call;
  private readonly route: CompiledRoute;
  private readonly asked: AskedPolicy;
  private fault: FaultPlan | undefined = undefined;
  /** Whom copies are for. */
  private mirrors: readonly CompiledMirror[] = [];
  /** What `editedWith` made of the request. */
  private edited: EditedRequest | undefined = undefined;
  private editedWith: RequestEdit | undefined = undefined;
  /** When the time of the route began: at the start, or at the end of a delay that was injected. */
  sinceMs = 0.1;
  /** What the balancer is asked for. */
  wish: HostWish | undefined = undefined;
  private hash: RequestHash | undefined = undefined;
  private session: Session | undefined = undefined;

  constructor(call: Call, route: CompiledRoute) {
    const { policy } = route;
    this.call = call;
    this.sinceMs = call.startMs;
    this.route = route;
    this.policy = policy;
    this.asked = askedPolicy(call, route, call.destination);
    this.timeoutMs = this.asked.timeoutMs;
    this.retry = call.context.forbidsNonIdempotentRetries ? idempotentOnly(this.asked.retry) : this.asked.retry;
    this.retriesSuccess = this.retry !== undefined && retriesSuccess(this.retry);
  }

  /** Starts the clocks of the whole call. */
  start(): void {
    const { call, policy } = this;
    const { maxStreamDurationMs = 0, responseTimeoutMs = 0 } = this.asked;
    const { idleTimeoutMs = 0 } = policy;
    if (maxStreamDurationMs === 0 && responseTimeoutMs === 0 && idleTimeoutMs === 0) return;
    this.timers = new StreamTimers(call.context, { maxStreamDurationMs, responseTimeoutMs, idleTimeoutMs }, (code, reason) =>
      call.guard(() => call.expire(code, reason)),
    );
  }

  /** Draws the fault of the request; returns its delay. */
  drawFault(): number {
    const { call } = this;
    const config = call.destination?.fault ?? this.policy.fault;
    if (config === undefined) return 0;
    this.fault = faultInjectionOf(config).plan(call, call.context.random);
    if (this.fault === undefined) return 0;
    const { responseBytesPerSecond, delayMs } = this.fault;
    if (responseBytesPerSecond > 0)
      call.handler = pacedHandler(call.handler, responseBytesPerSecond, call.context.clock, () => call.winner);
    return delayMs;
  }

  /** What is answered without an endpoint, and why. */
  answer(): (LocalAnswer & LocalReason) | undefined {
    const { call, policy, route } = this;
    const abort = this.fault?.abort;
    if (abort !== undefined)
      return {
        ...localAnswer(call, abort.httpStatus, abort.message, abort.grpcStatus),
        flags: 'FI',
        details: 'fault_filter_abort',
      };
    const { rateLimit } = policy;
    if (rateLimit !== undefined && !call.context.rateLimits.tryTake(rateLimit, call.context.clock.now())) {
      const refusal = localAnswer(call, rateLimit.status ?? 429, 'local_rate_limited');
      const mutation = compileMutation(rateLimit.responseHeaders);
      const headers = mutation === undefined ? refusal.headers : editResponseHeaders({ headers: [mutation] }, refusal.headers);
      return { ...refusal, headers, flags: 'RL', details: 'local_rate_limited' };
    }
    const own = route.answer ?? call.destination?.answer;
    if (own !== undefined) return { ...answerOf(own, call), flags: '-', details: 'direct_response' };
    const { upgrade } = call.options;
    if (!upgrade || policy.upgrades === undefined || isAmong(policy.upgrades, upgrade)) return undefined;
    return { ...localAnswer(call, 403, ''), flags: '-', details: 'upgrade_failed' };
  }

  /** Whether a body that can be read once must be kept. */
  get copiesBody(): boolean {
    return this.mirrors.length > 0 || this.hedges !== undefined || this.policy.internalRedirect !== undefined;
  }

  /** Edits the request, and finds out to which and how many endpoints it goes. */
  prepare(cluster: Cluster): void {
    const { call, policy } = this;
    const { destination } = call;
    const { mirrors } = destination!;
    if (policy.sessionAffinity !== undefined)
      this.session = sessionOf(policy.sessionAffinity, call, call.context.clock.wallNow());
    if (this.route.hash !== undefined)
      this.hash = requestHasherOf(this.route.hash)(this.sentTo(destination!), call.context.random);
    if (this.session !== undefined || this.hash !== undefined)
      this.wish = { hash: this.hash, sessionAddress: this.session?.address, isStrict: this.session?.isStrict === true };
    if (this.asked.hedge !== undefined) this.hedges = hedgesOf(call, this.asked.hedge, cluster);
    if (mirrors.length > 0) this.mirrors = mirrors.filter(({ share }) => share >= 1 || call.context.random() < share);
  }

  /** The edits of a destination, carried out: those of the first one would tell another what is not for it. */
  private editedFor({ edit }: CompiledDestination): EditedRequest | undefined {
    if (edit === undefined) return undefined;
    if (edit !== this.editedWith) {
      this.editedWith = edit;
      this.edited = editRequest(edit, this.call);
    }
    return this.edited;
  }

  /** The request as it leaves. */
  private sentTo(destination: CompiledDestination): EditableRequest {
    const { call } = this;
    const edited = this.editedFor(destination);
    if (edited === undefined) return call;
    const { method, scheme } = call;
    return { method, scheme, path: edited.path, authority: edited.authority ?? call.authority, headers: edited.headers };
  }

  /** Sends the copies that mirrors get. The request does not wait for them. */
  sendCopies(): void {
    const { mirrors, call } = this;
    if (mirrors.length === 0) return;
    const edited = this.editedFor(call.destination!);
    for (const mirror of mirrors) copyTo(mirror, call, edited, this.timeoutMs);
  }

  /** Fills in what all attempts at its destination send. */
  load(send: SendOptions, attempt: Attempt): void {
    const { options } = this.call;
    const { policy } = this;
    const edited = this.editedFor(attempt.destination);
    if (edited === undefined) send.load(options, options.path, options.headers);
    else send.load(options, edited.path, edited.headers);
    if (policy.overrideHeaders !== undefined) send.removeHeaders(overrideHeaders[policy.overrideHeaders]);
  }

  /** Fills in what differs from attempt to attempt. */
  edit(send: SendOptions, attempt: Attempt, expectedMs: number): void {
    const authority = this.authorityAt(attempt);
    if (authority !== undefined) {
      send.setHeader('host', authority);
      // Other rewrites of the host have told it in `editRequest`.
      const { destination } = attempt;
      const { edit } = destination;
      if (edit?.isHostFromEndpoint === true) {
        const original = this.editedFor(destination)?.authority ?? this.call.authority;
        send.setHeader('x-envoy-original-host', original);
        if (edit.appendsForwardedHost)
          send.setHeader(
            forwardedHostHeader,
            withForwardedHost(headerOf(this.sentTo(destination), forwardedHostHeader), original),
          );
      }
    }
    // The endpoint should know how long it has, and not how long the caller would have waited.
    if (this.asked.hasGrpcCap && expectedMs > 0) send.setHeader('grpc-timeout', formatGrpcTimeout(expectedMs));
  }

  private authorityAt(attempt: Attempt): string | undefined {
    const { destination } = attempt;
    if (destination.edit?.isHostFromEndpoint !== true) return this.editedFor(destination)?.authority;
    const { discovery } = attempt.cluster.config;
    return attempt.host?.endpoint.hostname ?? (discovery.kind === 'dns' ? discovery.hostname : undefined);
  }

  /** Whether the request begins anew where this response redirects it to. */
  follows(attempt: Attempt, status: number, headers: ResponseHeaders): boolean {
    const { internalRedirect } = this.policy;
    if (
      internalRedirect === undefined ||
      !followRedirect(this.call, internalRedirect, this.sentTo(attempt.destination), status, headers)
    )
      return false;
    this.call.retries?.delivered();
    this.hedges?.won(attempt);
    this.timers?.stop();
    return true;
  }

  /** The headers that the caller gets of this attempt; undefined = as they are. */
  editResponse(attempt: Attempt, headers: ResponseHeaders): ResponseHeaders | undefined {
    const edit = attempt.destination.responseEdit;
    const session = this.session?.headerFor(attempt.host!.address, this.call.context.clock.wallNow());
    const cookies = this.hash?.setCookies ?? [];
    const tellsAttempts = this.policy.includeAttemptCountInResponse === true;
    if (edit === undefined && session === undefined && cookies.length === 0 && !tellsAttempts) return undefined;
    const edited = edit === undefined ? { ...headers } : editResponseHeaders(edit, headers);
    if (tellsAttempts) edited[attemptHeader] = String(this.call.attempts);
    for (const cookie of cookies) addCookie(edited, cookie);
    if (session?.[0] === 'set-cookie') addCookie(edited, session[1]);
    else if (session !== undefined) edited[session[0]] = session[1];
    return edited;
  }

  /** The end of the call as telemetry tells it: with the delay that was injected. */
  outcome(outcome: RequestOutcome): RequestOutcome {
    if (this.fault === undefined || this.fault.delayMs === 0) return outcome;
    const flags = outcome.flags ?? flagsOf(outcome.error);
    return { ...outcome, flags: flags === '-' ? 'DI' : `DI,${flags}` };
  }

  /** The call is over. */
  end(): void {
    this.timers?.stop();
    this.hedges?.stop();
    this.fault?.release();
  }
}

function isAmong(upgrades: readonly string[], upgrade: string | boolean): boolean {
  const name = String(upgrade).toLowerCase();
  return upgrades.some((each) => each.toLowerCase() === name);
}

/** Every cookie is a header of its own, after those of the endpoint. */
function addCookie(headers: ResponseHeaders, cookie: string): void {
  headers['set-cookie'] = [...[headers['set-cookie'] ?? []].flat(), cookie];
}
