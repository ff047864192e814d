/**
 * The body of a request over HTTP/2 whose response has ended first. A server may still read the rest of it, or have reset the stream,
 * which undici tells nobody: what tells the one from the other is that no more is read. Its source (a file, a connection) is closed
 * then, and with the mesh.
 */
import type { DeadlineTarget } from '../base/deadlines.ts';
import type { CallContext } from './outbound-context.ts';
import type { ReplayBody } from './transport/replay-body.ts';

/** A source that gives nothing for so long after the answer is not waited for. */
const maxSilenceMs = 10_000;

export class UnfinishedUpload implements DeadlineTarget {
  private readonly body: ReplayBody;
  private readonly context: CallContext;
  private read = 0;

  constructor(body: ReplayBody, context: CallContext) {
    this.body = body;
    this.context = context;
    context.calls.uploads.add(this);
    this.watch();
  }

  onDeadline(): void {
    if (this.body.isAtEnd || this.body.bytesTaken === this.read) this.end();
    else this.watch();
  }

  /** Closes the source. */
  end(): void {
    this.context.calls.uploads.delete(this);
    this.body.release();
  }

  private watch(): void {
    this.read = this.body.bytesTaken;
    this.context.deadlines.arm(this, maxSilenceMs, this.context.clock.now());
  }
}
