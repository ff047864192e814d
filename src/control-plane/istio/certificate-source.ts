/**
 * Our certificate, from the first one to the last. A new key and a new certificate come at half of the lifetime (± 1 %, so that a
 * fleet does not ask at once), and at once when the roots of istiod change. When the CA cannot be reached the certificate in force
 * stays until it expires, and the status says how long that is. Names are those of Envoy's secrets: `default` and `ROOTCA`.
 *
 *   request ─ certificate ─► in force ─ half of its life is over, or new roots ─► request
 *      └───── error ───────► back-off, 0.5 … 30 s, shorter when the token or the roots change ─► request
 *
 * A request goes with the certificate in force and the token; when that fails it is repeated with the token alone, because an istiod
 * with another root does not know the certificate any more. The key is made here and never leaves the process.
 */
import { X509Certificate } from 'node:crypto';
import { reconnectBackoff } from '../../base/backoff.ts';
import type { Clock, Random } from '../../base/runtime.ts';
import { watchFiles } from '../../base/watch-file.ts';
import type { ControlPlaneStatus, IdentitySink } from '../../model/contracts.ts';
import type { Svid } from '../../model/identity.ts';
import { createCertificateRequest } from '../../security/certificate-request.ts';
import { checkSvid } from '../../security/identity-material.ts';
import { CaError, createCertificate, type CaOptions, type IssuedChain } from './ca-client.ts';
import { issuedDoubt } from './issued-doubt.ts';

/** Envoy's name of the secret that is our certificate. */
export const certificateName = 'default';
/** Envoy's name of the secret that is the roots of the mesh. */
export const rootsName = 'ROOTCA';

/** Istio's SECRET_GRACE_PERIOD_RATIO and its jitter. */
const renewalRatio = 0.5;
const renewalJitterRatio = 0.01;
const backoffBaseMs = 500;
/** An hour-long outage costs 120 requests; a token that was mounted late is found by its file. */
const backoffMaxMs = 30_000;
/** A clock that was set, or a machine that slept, is noticed this soon. */
const longestWaitMs = 600_000;

/** A certificate in force. */
export interface CurrentCertificate extends Svid {
  /** Milliseconds since 1970. */
  readonly notAfterMs: number;
}

/** The certificate of this process. */
export interface CertificateSource {
  /** Asks and renews until the signal aborts. */
  run(sink: IdentitySink, signal: AbortSignal): Promise<void>;
  /** What is in force and has not expired. */
  current(): CurrentCertificate | undefined;
  /** Calls back after the first certificate and after each renewal. */
  onChange(listener: () => void): void;
  /** There is reason to believe that the certificate is not taken any more. */
  renewNow(): void;
}

/** What a source is made of. */
export interface CertificateSourceOptions {
  readonly ca: CaOptions;
  /** Asked for; istiod answers with what the token says. */
  readonly spiffeId: string;
  readonly validitySeconds: number;
  readonly clock: Clock;
  readonly random: Random;
  /** For tests. Default {@link createCertificate}. */
  readonly sign?: typeof createCertificate;
}

/** Makes a source that has not asked yet. */
export function createCertificateSource(options: CertificateSourceOptions): CertificateSource {
  const { ca, clock, random, validitySeconds } = options;
  const sign = options.sign ?? createCertificate;
  const listeners = new Set<() => void>();
  let certificate: CurrentCertificate | undefined;
  let changes: Changes | undefined;

  const current = (): CurrentCertificate | undefined =>
    certificate !== undefined && certificate.notAfterMs > clock.wallNow() ? certificate : undefined;

  /** One certificate more, in force; what is odd about it. Rejects with the reason why there is none. */
  async function renew(sink: IdentitySink, signal: AbortSignal): Promise<string | undefined> {
    const { pem: csr, privateKey } = await createCertificateRequest({ uris: [options.spiffeId] });
    const ask = (own: Svid | undefined): Promise<IssuedChain> => sign(ca, { csr, validitySeconds, current: own, signal });
    const own = current();
    const issued = await ask(own).catch((error: unknown) => {
      if (own === undefined || signal.aborted) throw error;
      return ask(undefined);
    });
    if (signal.aborted) return undefined;
    const svid = { name: certificateName, certificateChain: issued.certificateChain, privateKey };
    const bundle = { name: rootsName, certificates: issued.root };
    // Both or none: a certificate of an answer whose roots are refused would be shown to peers that it cannot be verified for.
    const good = checkSvid(svid, clock.wallNow());
    if (!good.ok) throw new CaError(`the certificate of the CA ${ca.address} ${good.reason}`);
    const roots = sink.setTrustBundle(bundle);
    if (!roots.ok) throw new CaError(`the root of the CA ${ca.address} ${roots.reason}`);
    const verdict = sink.setSvid(svid);
    if (!verdict.ok) throw new CaError(`the certificate of the CA ${ca.address} ${verdict.reason}`);
    certificate = { ...svid, notAfterMs: new X509Certificate(issued.certificateChain).validToDate.getTime() };
    for (const listener of listeners) listener();
    const doubt = issuedDoubt(issued, good.value.spiffeId, options.spiffeId);
    return doubt && `the certificate of the CA ${ca.address} may be taken by nobody: ${doubt}`;
  }

  async function run(sink: IdentitySink, signal: AbortSignal): Promise<void> {
    const report = reporterOf(sink);
    const wait = new Changes(clock, signal, ca);
    changes = wait;
    let failures = 0;
    report({ state: 'connecting' });
    while (!signal.aborted) {
      wait.forget();
      try {
        const error = await renew(sink, signal);
        failures = 0;
        report({ state: 'connected', ...(error !== undefined && { error }) });
        const lifetimeMs = (certificate?.notAfterMs ?? 0) - clock.wallNow();
        const jitterRatio = renewalJitterRatio * (2 * random() - 1);
        await wait.next('roots', clock.wallNow() + lifetimeMs * (renewalRatio + jitterRatio));
      } catch (error) {
        if (signal.aborted) break;
        failures++;
        report(statusOf(error, certificate, clock.wallNow()));
        await wait.next('any', clock.wallNow() + reconnectBackoff(failures, random, backoffBaseMs, backoffMaxMs));
      }
    }
    wait.stop();
  }

  return {
    run,
    current,
    onChange: (listener) => void listeners.add(listener),
    renewNow: () => changes?.note(true),
  };
}

function statusOf(error: unknown, certificate: CurrentCertificate | undefined, nowMs: number): ControlPlaneStatus {
  const reason = error instanceof Error ? error.message : String(error);
  if (certificate === undefined) return { state: 'disconnected', error: `no certificate: ${reason}` };
  const leftMs = certificate.notAfterMs - nowMs;
  return leftMs > 0
    ? {
        state: 'disconnected',
        error: `the certificate is not renewed: ${reason}; the one in force is good for ${inWords(leftMs)}`,
      }
    : { state: 'failed', error: `the certificate has expired ${inWords(-leftMs)} ago: ${reason}` };
}

/** `3 h`, coarse on purpose: a status is told when its words change. */
function inWords(durationMs: number): string {
  const minutes = Math.floor(durationMs / 60_000);
  if (minutes < 1) return 'less than a minute';
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}

function reporterOf(sink: IdentitySink): (status: ControlPlaneStatus) => void {
  let last = '';
  return (status) => {
    const words = `${status.state} ${status.error ?? ''}`;
    if (words !== last) sink.status(status);
    last = words;
  };
}

/** Waits for a time by the wall clock, or for a change of the files that the CA client reads. */
class Changes {
  private readonly clock: Clock;
  private readonly signal: AbortSignal;
  private readonly unwatch: () => void;
  private hasRoots = false;
  private hasAny = false;
  private wake: (() => void) | undefined;

  constructor(clock: Clock, signal: AbortSignal, { rootCertificateFile, tokenFile }: CaOptions) {
    this.clock = clock;
    this.signal = signal;
    const paths = [tokenFile, ...(rootCertificateFile === undefined ? [] : [rootCertificateFile])];
    this.unwatch = watchFiles(
      paths,
      // Kubernetes writes the token anew every hour, which says nothing about the certificate.
      (changed) => this.note(rootCertificateFile !== undefined && changed.includes(rootCertificateFile)),
      clock,
    );
    signal.addEventListener('abort', this.wakeUp);
  }

  /** Something changed; `isRoots` = the certificate is one of other roots now. */
  note(isRoots: boolean): void {
    this.hasAny = true;
    this.hasRoots ||= isRoots;
    this.wake?.();
  }

  /** Called before the files are read: what changes from now on counts. */
  forget(): void {
    this.hasRoots = false;
    this.hasAny = false;
  }

  async next(wanted: 'roots' | 'any', untilMs: number): Promise<void> {
    while (!this.signal.aborted && !(wanted === 'roots' ? this.hasRoots : this.hasAny)) {
      const leftMs = untilMs - this.clock.wallNow();
      if (leftMs <= 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.wake = resolve;
      const timer = this.clock.setTimer(resolve, Math.min(leftMs, longestWaitMs));
      await promise;
      timer.cancel();
    }
    this.wake = undefined;
  }

  stop(): void {
    this.unwatch();
    this.signal.removeEventListener('abort', this.wakeUp);
  }

  private readonly wakeUp = (): void => this.wake?.();
}
