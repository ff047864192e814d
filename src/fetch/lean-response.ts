/**
 * What the lean path answers with: an object of the shape of a Response that is made in 50 ns and builds its parts on demand.
 *
 * It stands below `Response.prototype`, so `instanceof` holds, but was not built by the Response constructor: a subclass would cost
 * as much as a Response, and would answer methods of the prototype that it does not override with an empty body, in silence.
 * This one refuses them (`Response.prototype.json.call(response)` throws); calls in the usual form never come there.
 *
 * The body is in one of three states: none, bytes of the exchange, or a stream that somebody has asked for.
 */
import { Readable } from 'node:stream';
import { markAsUncloneable } from 'node:worker_threads';
import { type ByteStream, byteStream } from './byte-stream.ts';
import { decodeUtf8 } from './decode-utf8.ts';
import type { LeanExchange } from './lean-exchange.ts';
import { responseHeaders } from './response-headers.ts';

class LeanResponse {
  readonly #exchange: LeanExchange;
  #stream: ByteStream | undefined;
  #headers: Headers | undefined = undefined;

  constructor(exchange: LeanExchange, stream?: ByteStream) {
    this.#exchange = exchange;
    this.#stream = stream;
    markAsUncloneable(this);
  }

  get type(): 'basic' | 'cors' {
    return this.#exchange.request.crossOrigin ? 'cors' : 'basic';
  }

  get url(): string {
    return this.#exchange.request.origin + this.#exchange.request.path;
  }

  get redirected(): boolean {
    return this.#exchange.request.redirects > 0;
  }

  get status(): number {
    return this.#exchange.status;
  }

  get ok(): boolean {
    const { status } = this.#exchange;
    return status >= 200 && status <= 299;
  }

  get statusText(): string {
    return this.#exchange.statusText;
  }

  get headers(): Headers {
    this.#headers ??= responseHeaders(this.#exchange.headers);
    return this.#headers;
  }

  get body(): ByteStream | null {
    const { body } = this.#exchange;
    if (body === null) return null;
    this.#stream ??= body.used ? readStream() : body.openStream();
    return this.#stream;
  }

  get bodyUsed(): boolean {
    if (this.#stream !== undefined) return isDisturbed(this.#stream);
    return this.#exchange.body?.used ?? false;
  }

  text(): Promise<string> {
    return this.#consume(decodeUtf8);
  }

  json(): Promise<unknown> {
    return this.#consume((bytes) => JSON.parse(decodeUtf8(bytes)) as unknown);
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#consume((bytes) => new Uint8Array(bytes).buffer);
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#consume((bytes) => new Uint8Array(bytes));
  }

  blob(): Promise<Blob> {
    return this.#consume((bytes) => this.#real(bytes).blob());
  }

  formData(): Promise<FormData> {
    return this.#consume((bytes) => this.#real(bytes).formData());
  }

  clone(): LeanResponse {
    if (this.#isUnusable()) throw new TypeError('Response.clone: Body has already been consumed.');
    const stream = this.body;
    if (stream === null) return new LeanResponse(this.#exchange);
    const [kept, given] = stream.tee();
    this.#stream = kept;
    return new LeanResponse(this.#exchange, given);
  }

  /** A true Response with the same content type: it parses forms, and answers what a later Node adds to Response. */
  #real(body: Uint8Array | ByteStream | null): Response {
    const contentType = this.headers.get('content-type');
    return new Response(body, contentType === null ? {} : { headers: { 'content-type': contentType } });
  }

  #isUnusable(): boolean {
    const { body } = this.#exchange;
    if (body === null) return false;
    return this.#stream === undefined ? body.used : this.#stream.locked || isDisturbed(this.#stream);
  }

  #consume<T>(convert: (bytes: Uint8Array) => T | Promise<T>): Promise<T> {
    const { body } = this.#exchange;
    if (body === null) return Promise.resolve(noBytes).then(convert);
    if (this.#stream === undefined) return body.consume(convert);
    if (this.#isUnusable()) return Promise.reject(new TypeError('Body is unusable: Body has already been read'));
    return new Response(this.#stream).bytes().then(convert);
  }

  static {
    const shape = this.prototype;
    Object.setPrototypeOf(shape, Response.prototype);
    for (const key of Reflect.ownKeys(Response.prototype)) {
      const theirs = Object.getOwnPropertyDescriptor(Response.prototype, key)!;
      const ours = Object.getOwnPropertyDescriptor(shape, key);
      if (key === 'constructor') Object.defineProperty(shape, key, { value: Response, enumerable: false });
      // `for…in` sees the same names on both.
      else if (ours !== undefined) Object.defineProperty(shape, key, { enumerable: theirs.enumerable ?? false });
      else if (typeof key === 'string' && typeof theirs.value === 'function') {
        const method = theirs.value as (...args: unknown[]) => unknown;
        const forward = function (this: LeanResponse, ...args: unknown[]): unknown {
          return Reflect.apply(method, this.#real(this.body), args);
        };
        Object.defineProperty(shape, key, { ...theirs, value: forward });
      }
    }
  }
}

function isDisturbed(stream: ByteStream): boolean {
  return Readable.isDisturbed(stream as unknown as Readable);
}

const noBytes = new Uint8Array(0);

/** What `body` is after `text()` or its kin: read, and locked by the reader that read it. */
function readStream(): ByteStream {
  const stream = byteStream({ start: (controller) => controller.close() });
  void stream.getReader().read();
  return stream;
}

/** The response of a finished exchange, as the caller of fetch gets it. */
export function leanResponse(exchange: LeanExchange): Response {
  const response = new LeanResponse(exchange);
  exchange.body?.belongTo(response);
  return response as object as Response;
}
