/**
 * Content codings of a response, undone while the bytes stream: the same codings, the same leniency and the same zlib settings as
 * Node's fetch, with backpressure through every stage. In addition a limit on how far a small body may blow up (a "zip bomb",
 * CVE-2022-29225): a body is broken off once it is past `maxBytes` and also past `maxRatio` times its compressed size.
 * Honest bodies seldom pass the ratio, so that the limit is silent for large downloads.
 */
import { pipeline, Transform } from 'node:stream';
import zlib from 'node:zlib';
import { MeshError } from '../base/errors.ts';
import type { BodySource, LeanBody } from './lean-body.ts';

/** How far a compressed body may grow. It is broken off when it is past both: a small body may be dense, a large one may not. */
export interface DecompressionLimits {
  /** Decompressed bytes up to which a body is never broken off. */
  readonly maxBytes: number;
  /** Decompressed size divided by compressed size. */
  readonly maxRatio: number;
}

/** 64 MiB, and 100 times the compressed size. */
export const defaultDecompressionLimits: DecompressionLimits = {
  maxBytes: 64 * 1024 * 1024, // far above what an API answers, and bearable when a few arrive at once
  maxRatio: 100, // Envoy's default for `max_inflate_ratio` of its decompressors
};

/** More codings than this make fetch refuse the response; curl has the same limit (CVE-2022-32206). */
const codingsMax = 5;

/** Codings of `content-encoding` in the order in which they were applied; empty when one is unknown and the bytes stay as they are. */
export function contentCodings(header: string | readonly string[]): readonly string[] {
  const codings = String(header)
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim());
  if (codings.length > codingsMax) {
    throw new Error(`too many content-encodings in response: ${codings.length}, maximum allowed is ${codingsMax}`);
  }
  return codings.every((coding) => decoders.has(coding)) ? codings : [];
}

// Flushing after each chunk hands over what has arrived, and forgives a missing end, as browsers and curl do.
const inflateOptions = { flush: zlib.constants.Z_SYNC_FLUSH, finishFlush: zlib.constants.Z_SYNC_FLUSH };
const brotliOptions = {
  flush: zlib.constants.BROTLI_OPERATION_FLUSH,
  finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH,
};
const zstdOptions = { flush: zlib.constants.ZSTD_e_continue, finishFlush: zlib.constants.ZSTD_e_end };

const decoders = new Map<string, () => Transform>([
  ['gzip', () => zlib.createGunzip(inflateOptions)],
  ['x-gzip', () => zlib.createGunzip(inflateOptions)],
  ['deflate', () => new Inflate()],
  ['br', () => zlib.createBrotliDecompress(brotliOptions)],
  ['zstd', () => zlib.createZstdDecompress(zstdOptions)],
]);

/** `deflate` with the zlib header that the standard asks for, or without, as some servers send it; the first byte tells. */
class Inflate extends Transform {
  private inner: Transform | undefined = undefined;

  override _transform(chunk: Buffer, encoding: BufferEncoding, done: () => void): void {
    if (this.inner === undefined && chunk.byteLength > 0) {
      this.inner = this.start(
        (chunk[0]! & 0x0f) === 8 ? zlib.createInflate(inflateOptions) : zlib.createInflateRaw(inflateOptions),
      );
    }
    // What follows the end of the compressed data is ignored.
    if (this.inner === undefined || this.inner.readableEnded) done();
    else this.inner.write(chunk, encoding, done);
  }

  private start(inner: Transform): Transform {
    inner.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) inner.pause();
    });
    inner.on('error', (error) => this.destroy(error));
    return inner;
  }

  override _read(size: number): void {
    this.inner?.resume();
    super._read(size);
  }

  override _flush(done: () => void): void {
    if (this.inner === undefined || this.inner.readableEnded) done();
    else this.inner.once('end', done).end();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.inner?.destroy();
    done(error);
  }
}

/** Stands between an exchange and its body. */
export class ContentDecoder implements BodySource {
  private readonly body: LeanBody;
  private readonly upstream: BodySource;
  private readonly first: Transform;
  private readonly last: Transform;
  private readonly limits: DecompressionLimits;
  private readonly onFailure: (error: unknown) => void;
  private encodedBytes = 0;
  private decodedBytes = 0;
  private destroyed = false;

  /** `onFailure` is told once when the bytes are not what the codings say. */
  constructor(
    codings: readonly string[],
    body: LeanBody,
    upstream: BodySource,
    limits: DecompressionLimits,
    onFailure: (error: unknown) => void,
  ) {
    this.body = body;
    this.upstream = upstream;
    this.limits = limits;
    this.onFailure = onFailure;
    const stages = codings.map((coding) => decoders.get(coding)!()).reverse();
    this.first = stages[0]!;
    this.last = stages.at(-1)!;
    if (stages.length > 1) pipeline(stages, (error) => error && this.fail(error));
    else this.first.on('error', (error) => this.fail(error));
    this.first.on('drain', () => this.upstream.resume());
    this.last.on('data', (bytes: Buffer) => this.deliver(bytes));
    this.last.on('end', () => this.body.end());
  }

  write(chunk: Buffer): void {
    this.encodedBytes += chunk.byteLength;
    if (!this.first.write(chunk)) this.upstream.pause();
  }

  end(): void {
    this.first.end();
  }

  destroy(): void {
    this.destroyed = true;
    this.first.destroy();
    this.last.destroy();
  }

  pause(): void {
    this.last.pause();
  }

  resume(): void {
    this.last.resume();
  }

  cancel(reason: unknown): void {
    this.destroy();
    this.upstream.cancel(reason);
  }

  private deliver(bytes: Buffer): void {
    this.decodedBytes += bytes.byteLength;
    const { maxBytes, maxRatio } = this.limits;
    if (this.decodedBytes > maxBytes && this.decodedBytes > this.encodedBytes * maxRatio) {
      const message =
        `a body of ${this.encodedBytes} bytes was decompressed to more than ${maxBytes} bytes and ${maxRatio} times its size; ` +
        'if it is honest, pass a Request, which is fetched without this limit';
      this.fail(new MeshError('MESH_BODY_ABORTED', message));
    } else this.body.push(bytes);
  }

  private fail(error: unknown): void {
    // A pipeline that is destroyed calls that an error.
    if (this.destroyed) return;
    this.destroy();
    this.onFailure(error);
  }
}
