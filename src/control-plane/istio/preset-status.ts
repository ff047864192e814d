import type { ConfigSink, ControlPlaneStatus, IdentitySink } from '../../model/contracts.ts';

/**
 * One status of three: the stream's, with what is wrong with our certificate and with what was found in the pod. Somebody without a
 * certificate looks here first, and an identity that never came has no place of its own in `mesh.status()`.
 */
export class PresetStatus {
  private readonly sink: ConfigSink;
  private stream: ControlPlaneStatus = { state: 'connecting' };
  private certificate: string | undefined = undefined;
  private warnings: readonly string[] = [];
  private files: readonly string[] = [];

  constructor(sink: ConfigSink) {
    this.sink = sink;
  }

  /** What the pod has and nobody here can use. */
  warn(warnings: readonly string[]): void {
    this.warnings = warnings;
  }

  /** What of the files that the configuration names cannot be used. */
  readonly filesFail = (troubles: readonly string[]): void => {
    this.files = troubles;
    this.report();
  };

  /** The sink for the stream. */
  get streamSink(): ConfigSink {
    const { sink } = this;
    return {
      apply: (update) => sink.apply(update),
      // Without it what nobody has asked for would be taken unseen.
      ...(sink.check !== undefined && { check: (resource) => sink.check!(resource) }),
      absent: (want, reason) => sink.absent(want, reason),
      status: (status) => {
        this.stream = status;
        this.report();
      },
    };
  }

  /** The sink for the certificate. */
  identitySink(sink: IdentitySink): IdentitySink {
    return {
      ...withoutStatus(sink),
      status: (status) => {
        sink.status(status);
        const { error } = status;
        if (error === this.certificate) return;
        this.certificate = error;
        this.report();
      },
    };
  }

  private report(): void {
    const words = [this.stream.error, this.certificate, ...this.files, ...this.warnings].filter((word) => word !== undefined);
    this.sink.status(words.length === 0 ? this.stream : { ...this.stream, error: words.join('; ') });
  }
}

/** A sink for secrets alone. */
export function withoutStatus(sink: IdentitySink): IdentitySink {
  return {
    setSvid: (svid) => sink.setSvid(svid),
    setTrustBundle: (bundle) => sink.setTrustBundle(bundle),
    remove: (secret) => sink.remove(secret),
    status: () => {},
  };
}
