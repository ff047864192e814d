/**
 * An identity from PEM files, and its rotation. Files are replaced one after another, so for a moment the certificate is new and
 * the key old, or one of them half written: that is waited out, and reported only when it lasts. What was in force stays in force
 * until a whole and matching set has been read.
 *
 *   read ── good ──────────────────────────► in force, wait for a change
 *     └── bad ── may pass ── grace is left ► wait for a change or the end of the grace, read again
 *                   └── first read ────────► run() rejects: a mesh does not start without the identity it was given
 *                   └── later ─────────────► reported, also to the sink, which refuses it; the old one stays
 */
import { readFile, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { MeshError } from '../base/errors.ts';
import type { Clock } from '../base/runtime.ts';
import { watchFiles } from '../base/watch-file.ts';
import type { IdentitySink, IdentitySource } from '../model/contracts.ts';
import { PrivateKey } from '../model/identity.ts';
import { checkSvid, checkTrustBundle, privateKeyBlock, type MaterialProblem } from './identity-material.ts';

/** The files of an identity; relative paths start at the working directory. */
export interface FileIdentityOptions {
  /** PEM, leaf first. Goes with `privateKey`; both may be in one file. */
  readonly certificate?: string;
  readonly privateKey?: string;
  /** PEM, the roots that peers are verified against. */
  readonly trustBundle?: string;
  /** Name in the identity store. Default `'default'`. */
  readonly name?: string;
  /** What a first read that finds nothing usable leads to: `run()` rejects, or reports it and goes on watching. Default `'reject'`. */
  readonly badStart?: 'reject' | 'watch';
  readonly clock: Clock;
}

/** At the start a broken set is most likely a mistake, and is worth a short wait only. */
const startGraceMs = 500;
/** Later it is most likely a rotation under way; certificate tools write their files within a second. */
const rotationGraceMs = 3000;

/**
 * Identity from files, watched. `run()` rejects with a MeshError MESH_IDENTITY_INVALID when the first read finds nothing that can
 * be used; the message names the file, what is wrong and what to do. Throws a TypeError for a certificate without its key or
 * nothing at all.
 */
export function fileIdentity(options: FileIdentityOptions): IdentitySource {
  const { certificate, privateKey, trustBundle, badStart = 'reject', clock } = options;
  if ((certificate === undefined) !== (privateKey === undefined)) {
    throw new TypeError('identity: `certificate` and `privateKey` go together; name both files, or neither');
  }
  const paths = [...new Set([certificate, privateKey, trustBundle].filter((path) => path !== undefined))];
  if (paths.length === 0)
    throw new TypeError('identity: name a `certificate` with its `privateKey`, a `trustBundle`, or all three');
  return {
    name: `file ${paths.join(', ')}`,
    async run(sink, signal) {
      const changes = new Changes(paths, clock, signal);
      try {
        let isInForce = false;
        let failingSinceMs: number | undefined;
        while (!signal.aborted) {
          changes.forget();
          const { faults, warning } = await deliver(options, sink, isInForce);
          if (signal.aborted) return;
          if (faults.length === 0) {
            isInForce = true;
            failingSinceMs = undefined;
            sink.status({ state: 'connected', ...(warning !== undefined && { error: warning }) });
            await changes.next();
            continue;
          }
          failingSinceMs ??= clock.now();
          const error = faults.map((fault) => fault.text).join('; ');
          const graceLeftMs = failingSinceMs + (isInForce ? rotationGraceMs : startGraceMs) - clock.now();
          if (graceLeftMs > 0 && faults.some((fault) => fault.mayPass)) {
            sink.status({
              state: isInForce ? 'connected' : 'connecting',
              error: `waiting for the files to fit together: ${error}`,
            });
            await changes.next(graceLeftMs);
            continue;
          }
          // It was judged here for the sake of the grace; refused by the sink it is counted and told as every refusal is.
          for (const { offer } of faults) offer?.();
          if (!isInForce && badStart === 'reject')
            throw new MeshError('MESH_IDENTITY_INVALID', `identity: ${error}`, { details: { files: paths } });
          sink.status({ state: 'failed', error: isInForce ? `${error} (the identity read before stays in force)` : error });
          await changes.next();
        }
      } finally {
        changes.stop();
      }
    },
  };
}

interface Fault {
  readonly text: string;
  readonly mayPass: boolean;
  /** Hands the bad material to the sink, which has not seen it yet. */
  readonly offer?: () => void;
}

interface Delivery {
  readonly faults: readonly Fault[];
  readonly warning?: string;
}

/** Reads all files and hands over what is good; a bad bundle does not hold up a good certificate. */
async function deliver(options: FileIdentityOptions, sink: IdentitySink, isRotation: boolean): Promise<Delivery> {
  const { certificate, privateKey, trustBundle, clock, name = 'default' } = options;
  const faults: Fault[] = [];
  let warning: string | undefined;
  const read = async (path: string, role: string): Promise<string | undefined> => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      faults.push(unreadable(path, role, error, isRotation));
      return undefined;
    }
  };
  if (certificate !== undefined && privateKey !== undefined) {
    const chain = await read(certificate, 'certificate');
    const key = await read(privateKey, 'private key');
    if (chain !== undefined && key !== undefined) {
      const svid = { name, certificateChain: chain, privateKey: new PrivateKey(privateKeyBlock(key)) };
      const verdict = checkSvid(svid, clock.wallNow());
      if (!verdict.ok) faults.push({ ...faultOf(verdict, certificate, privateKey), offer: () => void sink.setSvid(svid) });
      else refusedByStore(sink.setSvid({ ...svid, certificateChain: verdict.value.certificateChain }), faults);
      warning = await exposureOf(privateKey);
    }
  }
  if (trustBundle !== undefined) {
    const certificates = await read(trustBundle, 'trust bundle');
    if (certificates !== undefined) {
      const bundle = { name, certificates };
      const verdict = checkTrustBundle(bundle, clock.wallNow());
      if (!verdict.ok)
        faults.push({
          text: `the trust bundle ${trustBundle} ${verdict.reason}`,
          mayPass: verdict.mayPass,
          offer: () => void sink.setTrustBundle(bundle),
        });
      else refusedByStore(sink.setTrustBundle({ name, certificates: verdict.value.certificates }), faults);
    }
  }
  return { faults, ...(warning !== undefined && { warning }) };
}

function faultOf(problem: MaterialProblem, certificate: string, privateKey: string): Fault {
  const { part, reason, mayPass } = problem;
  if (part === 'pair') return { text: `${certificate} and ${privateKey}: ${reason}`, mayPass };
  return {
    text: part === 'private-key' ? `the private key ${privateKey} ${reason}` : `the certificate ${certificate} ${reason}`,
    mayPass,
  };
}

function refusedByStore(verdict: ReturnType<IdentitySink['setSvid']>, faults: Fault[]): void {
  if (!verdict.ok) faults.push({ text: verdict.reason, mayPass: false });
}

function unreadable(path: string, role: string, error: unknown, isRotation: boolean): Fault {
  const code = (error as { code?: string }).code ?? 'unknown error';
  const remedy =
    code === 'ENOENT'
      ? `check the path${isAbsolute(path) ? '' : ' (relative paths start at the working directory)'}, or make one with \`meshfetch certs\``
      : 'check that it is a file that this user may read';
  // Some tools delete the old file before they write the new one.
  return { text: `the ${role} ${path} cannot be read (${code}); ${remedy}`, mayPass: isRotation && code === 'ENOENT' };
}

/** A warning, not a refusal: Kubernetes mounts secrets with mode 0644 unless told otherwise. */
async function exposureOf(privateKey: string): Promise<string | undefined> {
  if (process.platform === 'win32') return undefined;
  const mode = (await stat(privateKey).catch(() => undefined))?.mode ?? 0;
  if ((mode & 0o004) === 0) return undefined;
  return `warning: every user of this machine can read the private key ${privateKey} (mode 0${(mode & 0o777).toString(8)}); set it to 0600, in Kubernetes by \`defaultMode: 0400\``;
}

/** Waits for changes of the files; one that comes while nobody waits is not lost. */
class Changes {
  private readonly clock: Clock;
  private readonly signal: AbortSignal;
  private readonly unwatch: () => void;
  private hasChanged = false;
  private wake: (() => void) | undefined;

  constructor(paths: readonly string[], clock: Clock, signal: AbortSignal) {
    this.clock = clock;
    this.signal = signal;
    this.unwatch = watchFiles(paths, () => this.note(), clock);
    signal.addEventListener('abort', this.note);
  }

  /** Called before the files are read: what changes from now on counts. */
  forget(): void {
    this.hasChanged = false;
  }

  /** Resolves at the next change, when the signal aborts, or after `timeoutMs`. */
  async next(timeoutMs?: number): Promise<void> {
    if (this.hasChanged || this.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.wake = resolve;
    const timer = timeoutMs === undefined ? undefined : this.clock.setTimer(resolve, timeoutMs);
    await promise;
    timer?.cancel();
    this.wake = undefined;
  }

  stop(): void {
    this.unwatch();
    this.signal.removeEventListener('abort', this.note);
  }

  private readonly note = (): void => {
    this.hasChanged = true;
    this.wake?.();
  };
}
