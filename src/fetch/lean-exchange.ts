/**
 * One request on the wire and the head of its response, seen from the dispatcher as a handler and from the caller as a promise.
 * The promise is resolved with the exchange itself as soon as the final head is there; what follows (answer, redirect, repeat) is
 * decided behind `then`, since that runs in the caller's asynchronous context and this runs in the socket's.
 *
 *   dispatch ── onRequestStart ── onResponseStart ──► promise ── onResponseData … ── onResponseEnd
 *      abort: promise rejects with the reason ─────┘  └───── the body fails with the reason
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { ContentDecoder, contentCodings, type DecompressionLimits } from './content-decoder.ts';
import { type AbortWatch, bodyAbortReason, type BodySource, LeanBody } from './lean-body.ts';
import type { LeanRequest } from './lean-request.ts';

const redirectStatuses = new Set([301, 302, 303, 307, 308]);
const nullBodyStatuses = new Set([101, 204, 205, 304]);

/** An unwanted body is read to its end up to this size, which keeps the connection; past it the request is aborted. */
const drainedBytesMax = 65_536;

const listenOnce = { once: true };

/** The handler of one dispatched request. `resolve` is called at the final head, `reject` when none will come. */
export class LeanExchange implements Dispatcher.DispatchHandler, BodySource, AbortWatch {
  readonly request: LeanRequest;
  readonly signal: AbortSignal | undefined;
  private readonly limits: DecompressionLimits;
  private resolve: ((exchange: LeanExchange) => void) | undefined;
  private reject: ((reason: unknown) => void) | undefined;
  private controller: Dispatcher.DispatchController | undefined = undefined;
  private decoder: ContentDecoder | undefined = undefined;
  /** Why the request is to be stopped, when it was decided before the dispatcher could be told. */
  private stopReason: unknown = undefined;
  private stopped = false;
  private watching = false;
  private drainedBytes = 0;

  status = 0;
  statusText = '';
  headers: IncomingHttpHeaders = {};
  /** Null where fetch has none: HEAD, 204, 205, 304. */
  body: LeanBody | null = null;
  /** What the head asks for before the caller sees it: to follow its Location, or to ask once more after 421. */
  sequel: 'none' | 'redirect' | 'repeat' = 'none';

  constructor(
    request: LeanRequest,
    limits: DecompressionLimits,
    resolve: (exchange: LeanExchange) => void,
    reject: (reason: unknown) => void,
  ) {
    this.request = request;
    this.signal = request.signal;
    this.limits = limits;
    this.resolve = resolve;
    this.reject = reject;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.stopped) controller.abort(this.stopReason as Error);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusText = '',
  ): void {
    if (status < 200 || this.stopped) return;
    this.status = status;
    this.headers = headers;
    this.statusText = statusText;
    const { method, redirect, misdirected } = this.request;

    if (status === 407) return this.broken(new Error());
    if (redirectStatuses.has(status)) {
      if (redirect === 'error') return this.broken(new Error('unexpected redirect'));
      if (redirect === 'follow' && headers.location !== undefined) this.sequel = 'redirect';
    } else if (status === 421 && !misdirected) this.sequel = 'repeat';

    if (this.sequel === 'none' && method !== 'HEAD' && !nullBodyStatuses.has(status)) {
      this.body = new LeanBody(this, this);
      const encoding = headers['content-encoding'];
      if (encoding !== undefined && !this.decode(encoding, this.body)) return;
    } else this.unwatch();
    this.resolve?.(this);
    this.forgetPromise();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.stopped) return;
    if (this.decoder !== undefined) this.decoder.write(chunk);
    else if (this.body !== null) this.body.push(chunk);
    else if ((this.drainedBytes += chunk.byteLength) > drainedBytesMax)
      this.stop(new DOMException('The body is not wanted.', 'AbortError'));
  }

  onResponseEnd(): void {
    if (this.stopped) return;
    if (this.decoder !== undefined) this.decoder.end();
    else if (this.body !== null) this.body.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: unknown): void {
    if (this.stopped) return;
    this.stopped = true;
    this.fail(error);
  }

  pause(): void {
    this.controller?.pause();
  }

  resume(): void {
    this.controller?.resume();
  }

  cancel(reason: unknown): void {
    this.stop(reason ?? new DOMException('The operation was aborted.', 'AbortError'));
  }

  watch(): void {
    if (this.watching || this.signal === undefined) return;
    this.watching = true;
    this.signal.addEventListener('abort', this, listenOnce);
  }

  unwatch(): void {
    if (!this.watching) return;
    this.watching = false;
    this.signal?.removeEventListener('abort', this);
  }

  /** The signal's listener. */
  handleEvent(): void {
    const signal = this.signal!;
    this.reject?.(signal.reason);
    this.forgetPromise();
    const reason = bodyAbortReason(signal);
    this.body?.fail(reason);
    this.stop(reason);
  }

  private decode(encoding: string | readonly string[], body: LeanBody): boolean {
    try {
      const codings = contentCodings(encoding);
      if (codings.length === 0) return true;
      this.decoder = new ContentDecoder(codings, body, this, this.limits, (error) => this.broken(error));
      body.source = this.decoder;
      return true;
    } catch (error) {
      this.broken(error);
      return false;
    }
  }

  /** The response cannot be used: the caller is told, the rest is not wanted. */
  private broken(error: unknown): void {
    this.fail(error);
    this.stop(error);
  }

  private fail(error: unknown): void {
    this.unwatch();
    this.reject?.(new TypeError('fetch failed', { cause: error }));
    this.forgetPromise();
    this.decoder?.destroy();
    this.body?.fail(new TypeError('terminated', { cause: error }));
  }

  private stop(reason: unknown): void {
    this.unwatch();
    this.decoder?.destroy();
    if (this.stopped) return;
    this.stopped = true;
    this.stopReason = reason;
    this.controller?.abort(reason as Error);
  }

  /** The promise holds the response, and the socket holds this. */
  private forgetPromise(): void {
    this.resolve = undefined;
    this.reject = undefined;
  }
}
