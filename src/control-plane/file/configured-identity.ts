/**
 * The identity of a configuration file, through reloads that name other PEM files. A certificate may come after the file that names
 * it, so nothing is given up: what the file names now is watched until it is usable, and what it named before goes on being
 * rotated until then. Only a program that starts with an identity that cannot be used is told so by a rejection.
 */
import { resolve } from 'node:path';
import type { Clock } from '../../base/runtime.ts';
import type { IdentitySink, IdentitySource } from '../../model/contracts.ts';
import { fileIdentity } from '../../security/file-identity.ts';
import type { IdentityFile } from './schema.ts';

/** The PEM files of `identity`, as absolute paths. */
export interface IdentityPaths {
  readonly certificate?: string;
  readonly privateKey?: string;
  readonly trustBundle?: string;
}

/** The paths of a file in this directory, as absolute ones. */
export function identityPaths(identity: IdentityFile, directory: string): IdentityPaths {
  return Object.fromEntries(Object.entries(identity).map(([key, path]) => [key, resolve(directory, path)]));
}

/** How long a new configuration waits for the identity that it brings, before the clusters that ask for it are applied. */
const handoverMs = 1000;

/**
 * The identity source of a file control plane: the source of the paths that the file names, another one when the file names others.
 * The old identity stays in force, and is followed, until the whole new one was accepted.
 */
export class ConfiguredIdentity implements IdentitySource {
  readonly name: string;
  private readonly identityName: string;
  private paths: IdentityPaths | undefined = undefined;
  private clock: Clock | undefined = undefined;
  private isRunning = false;
  /** Whether `paths` are those that the program started with. */
  private isStart = false;
  private uses = 0;
  private change = Promise.withResolvers<void>();
  private settled = Promise.withResolvers<void>();

  constructor(name: string, identityName: string) {
    this.name = name;
    this.identityName = identityName;
  }

  /**
   * Uses these files from now on; undefined = no identity. On a reload it resolves when the new identity was accepted or refused,
   * a second later at most; before `run` at once.
   */
  async use(paths: IdentityPaths | undefined, clock: Clock): Promise<void> {
    this.clock = clock;
    this.isStart = this.uses === 0;
    this.uses += 1;
    if (JSON.stringify(paths) === JSON.stringify(this.paths)) return;
    this.paths = paths;
    this.settled = Promise.withResolvers();
    this.change.resolve();
    if (!this.isRunning || paths === undefined) return;
    const timer = clock.setTimer(this.settled.resolve, handoverMs);
    await this.settled.promise;
    timer.cancel();
  }

  /** Resolves when the signal aborts; rejects when the program starts with an identity that cannot be used. */
  async run(sink: IdentitySink, signal: AbortSignal): Promise<void> {
    const stopped = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => stopped.resolve(), { once: true });
    this.isRunning = true;
    try {
      await this.follow(sink, signal, stopped.promise);
    } finally {
      this.isRunning = false;
      this.settled.resolve();
    }
  }

  private async follow(sink: IdentitySink, signal: AbortSignal, stopped: Promise<void>): Promise<void> {
    /** The last one that delivered everything, and the one that is to replace it. */
    let inForce: FollowedFiles | undefined;
    let next: FollowedFiles | undefined;
    let hadOne = false;
    while (!signal.aborted) {
      const { paths, clock, change, settled, identityName: name } = this;
      await next?.stop();
      next = undefined;
      if (paths === undefined || clock === undefined) {
        await inForce?.stop();
        inForce = undefined;
        if (hadOne) sink.remove(name);
        hadOne = false;
        await Promise.race([change.promise, stopped]);
      } else {
        next = new FollowedFiles({ paths, name, clock, badStart: this.isStart ? 'reject' : 'watch', before: inForce });
        hadOne = true;
        const failed = next.follow(sink, settled.resolve);
        const outcome = await Promise.race([next.complete.then(() => 'complete'), failed, change.promise, stopped]);
        if (outcome === 'complete') {
          await next.replaceBefore();
          inForce = next;
          next = undefined;
          await Promise.race([change.promise, stopped]);
        }
      }
      if (this.change === change) this.change = Promise.withResolvers();
    }
    await Promise.all([inForce?.stop(), next?.stop()]);
  }
}

type Part = 'svid' | 'trust-bundle';

/** The files of one version of the configuration, followed until `stop()`. */
class FollowedFiles {
  /** Resolves when everything that the paths promise was accepted. */
  readonly complete: Promise<void>;
  private readonly options: FollowedOptions;
  private readonly awaited: Set<Part>;
  private readonly stopping = new AbortController();
  private readonly completed = Promise.withResolvers<void>();
  /** What a later version has delivered, and this one does not any more. */
  private readonly replaced = new Set<Part>();
  /** Whether a later version is to replace this one; it then speaks for both. */
  private hasSuccessor = false;
  /** The version in force, until this one has delivered everything. */
  private before: FollowedFiles | undefined;
  private done: Promise<void> = Promise.resolve();

  constructor(options: FollowedOptions) {
    this.options = options;
    this.complete = this.completed.promise;
    this.before = options.before;
    const { certificate, trustBundle } = options.paths;
    this.awaited = new Set([
      ...(certificate === undefined ? [] : (['svid'] as const)),
      ...(trustBundle === undefined ? [] : (['trust-bundle'] as const)),
    ]);
  }

  /** Rejects when the start may fail and does; `onSettled` is called when everything is there, or a part was refused. */
  follow(sink: IdentitySink, onSettled: () => void): Promise<never> {
    const { paths, name, clock, badStart } = this.options;
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    if (this.before !== undefined) this.before.hasSuccessor = true;
    this.done = fileIdentity({ ...paths, name, clock, badStart })
      .run(this.sinkOver(sink, onSettled), this.stopping.signal)
      .catch((error: unknown) => {
        onSettled();
        if (badStart === 'reject' && this.awaited.size > 0) failed.reject(error);
        else sink.status({ state: 'failed', error: String(error) });
      });
    return failed.promise;
  }

  /** Ends the version before, which is not needed any more. */
  async replaceBefore(): Promise<void> {
    await this.before?.stop();
    this.before = undefined;
  }

  /** The version before, if it is there still, speaks for itself again. */
  async stop(): Promise<void> {
    this.stopping.abort();
    if (this.before !== undefined) this.before.hasSuccessor = false;
    this.before?.replaced.clear();
    await this.done;
  }

  private sinkOver(sink: IdentitySink, onSettled: () => void): IdentitySink {
    const deliver = (part: Part, send: () => Verdict): Verdict => {
      if (this.replaced.has(part) || this.stopping.signal.aborted) return { ok: true };
      const verdict = send();
      if (verdict.ok) {
        this.before?.replaced.add(part);
        this.awaited.delete(part);
        if (this.awaited.size === 0) this.completed.resolve();
      }
      if (this.awaited.size === 0 || !verdict.ok) onSettled();
      return verdict;
    };
    return {
      setSvid: (svid) => deliver('svid', () => sink.setSvid(svid)),
      setTrustBundle: (bundle) => deliver('trust-bundle', () => sink.setTrustBundle(bundle)),
      remove: (name) => sink.remove(name),
      status: (status) => {
        if (status.state === 'failed') onSettled();
        if (this.hasSuccessor) return;
        const isReplacing = status.state === 'failed' && this.before !== undefined && this.awaited.size > 0;
        sink.status(isReplacing ? { ...status, error: `${status.error}; the identity before stays in force` } : status);
      },
    };
  }
}

interface FollowedOptions {
  readonly paths: IdentityPaths;
  readonly name: string;
  readonly clock: Clock;
  readonly badStart: 'reject' | 'watch';
  /** The version in force, if any. */
  readonly before: FollowedFiles | undefined;
}

type Verdict = ReturnType<IdentitySink['setSvid']>;
