import { Readable } from 'node:stream';

/** Who writes the body. */
export interface BodyWriter {
  /** More may be written: it is read, or nobody wants it any more. */
  onWanted(): void;
}

/** The body of a request that is still being written when its head leaves. */
export class RequestBody extends Readable {
  private readonly writer: BodyWriter;
  /** Nothing more will be written. */
  isAtEnd = false;

  constructor(writer: BodyWriter) {
    super();
    this.writer = writer;
    // Whoever breaks it off says so to the request as well.
    this.on('error', () => {});
  }

  /** All of it was written. */
  finish(): void {
    this.isAtEnd = true;
    this.push(null);
  }

  override _read(): void {
    this.writer.onWanted();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    callback(error);
    this.writer.onWanted();
  }
}
