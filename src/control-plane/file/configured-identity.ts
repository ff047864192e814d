import { isMeshError } from '../../base/errors.ts';
import type { Clock } from '../../base/runtime.ts';
import type { IdentitySink, IdentitySource } from '../../model/contracts.ts';
import { fileIdentity } from '../../security/file-identity.ts';
import { identityName } from './translate-cluster.ts';

/** The PEM files of `identity`, as absolute paths. */
export interface IdentityPaths {
  readonly certificate?: string;
  readonly privateKey?: string;
  readonly trustBundle?: string;
}

/** How long a new configuration waits for the identity that it brings, before the clusters that ask for it are applied. */
const handoverMs = 1000;

/**
 * The identity source of a file control plane: the source of the paths that the file names, another one when the file names others.
 * The old identity stays in force until the new one was accepted.
 */
export class ConfiguredIdentity implements IdentitySource {
  readonly name: string;
  private paths: IdentityPaths | undefined = undefined;
  private clock: Clock | undefined = undefined;
  private isRunning = false;
  private change = Promise.withResolvers<void>();
  private settled = Promise.withResolvers<void>();

  constructor(name: string) {
    this.name = name;
  }

  /**
   * Uses these files from now on; undefined = no identity. On a reload it resolves when the new identity was accepted or refused,
   * a second later at most; before `run` at once.
   */
  async use(paths: IdentityPaths | undefined, clock: Clock): Promise<void> {
    this.clock = clock;
    if (JSON.stringify(paths) === JSON.stringify(this.paths)) return;
    this.paths = paths;
    this.settled = Promise.withResolvers();
    this.change.resolve();
    if (!this.isRunning || paths === undefined) return;
    const timer = clock.setTimer(this.settled.resolve, handoverMs);
    await this.settled.promise;
    timer.cancel();
  }

  /** Resolves when the signal aborts; rejects when the first identity cannot be used at all. */
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
    let hadOne = false;
    while (!signal.aborted) {
      const { paths, clock, change, settled } = this;
      if (paths === undefined || clock === undefined) {
        if (hadOne) sink.remove(identityName);
        await Promise.race([change.promise, stopped]);
      } else {
        const inner = new AbortController();
        const source = fileIdentity({ ...paths, name: identityName, clock });
        const running = source
          .run(reporting(sink, paths, settled.resolve), AbortSignal.any([signal, inner.signal]))
          .catch((error: unknown) => {
            settled.resolve();
            if (!hadOne) throw error;
            if (!inner.signal.aborted)
              sink.status({ state: 'failed', error: `${messageOf(error)}; the identity before stays in force` });
          });
        // A source that gave up leaves nothing to do until the file names other paths.
        await Promise.race([change.promise, stopped, running.then(() => Promise.race([change.promise, stopped]))]);
        inner.abort();
        await running;
        hadOne = true;
      }
      if (this.change === change) this.change = Promise.withResolvers();
    }
  }
}

/** A sink that says when everything that the paths promise is there, or one part was refused. */
function reporting(sink: IdentitySink, paths: IdentityPaths, onSettled: () => void): IdentitySink {
  let hasSvid = paths.certificate === undefined;
  let hasBundle = paths.trustBundle === undefined;
  return {
    setSvid(svid) {
      const result = sink.setSvid(svid);
      hasSvid = true;
      if (hasBundle || !result.ok) onSettled();
      return result;
    },
    setTrustBundle(bundle) {
      const result = sink.setTrustBundle(bundle);
      hasBundle = true;
      if (hasSvid || !result.ok) onSettled();
      return result;
    },
    remove: (name) => sink.remove(name),
    status(status) {
      if (status.state === 'failed') onSettled();
      sink.status(status);
    },
  };
}

function messageOf(error: unknown): string {
  return isMeshError(error) || error instanceof Error ? error.message : String(error);
}
