/** A stream of bytes as fetch gives it: its reader may bring buffers of its own. */
export type ByteStream = ReadableStream<Uint8Array<ArrayBuffer>>;

/** Where the bytes of a stream come from: an underlying source of the Streams standard whose `type` is `bytes`. */
export interface ByteSource {
  start?(controller: ReadableByteStreamController): void;
  pull?(controller: ReadableByteStreamController): void;
  cancel?(reason: unknown): void;
}

/** A byte stream that asks `source` only when somebody reads: it keeps nothing in store. */
export function byteStream(source: ByteSource): ByteStream {
  // The declared constructor knows no sources of bytes.
  return new ReadableStream({ type: 'bytes', ...source } as unknown as ConstructorParameters<
    typeof ReadableStream<Uint8Array<ArrayBuffer>>
  >[0]);
}
