/**
 * A property of a request listener for `mesh.listen`: says by its headers whether a request may take as long as it likes to send its
 * body, as streams of gRPC do. Others have `limits.requestTimeoutMs`.
 */
export const isLongRequest = Symbol.for('meshfetch.is-long-request');

/** A listener that has {@link isLongRequest}. */
export interface LongRequestListener {
  readonly [isLongRequest]?: (headers: Readonly<Record<string, unknown>>) => boolean;
}
