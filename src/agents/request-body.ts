import { Readable } from 'node:stream';

/** Who writes the body. */
export interface BodyWriter {
  /** More may be written. */
  onWanted(): void;
  /** Nobody reads it any more. */
  onUnwanted(): void;
}

/** The body of a request that is still being written when its head leaves. Nothing of it is kept but what the dispatcher has not taken. */
export class RequestBody extends Readable {
  private readonly writer: BodyWriter;

  constructor(writer: BodyWriter) {
    super();
    this.writer = writer;
  }

  override _read(): void {
    this.writer.onWanted();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.writer.onUnwanted();
    callback(error);
  }
}
