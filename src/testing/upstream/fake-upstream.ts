/** A real server on loopback that does what a test tells it, and remembers what it was asked. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse, Settings } from 'node:http2';
import type { Duplex } from 'node:stream';
import { holdingProcess, systemClock, type Clock } from '../../base/runtime.ts';
import { checkAnswer, checkMatch, checkOptions } from './check-answer.ts';
import { http1Writer, http2Writer } from './reply-writer.ts';
import { sendReply } from './send-reply.ts';
import { UpstreamPort, type UpstreamConnection, type UpstreamProtocol, type UpstreamTls } from './upstream-port.ts';
import type { UpstreamAnswer, UpstreamMatch, UpstreamReply } from './upstream-reply.ts';
import { bodyFrom, headFrom, isMatch, type UpstreamRequest, type UpstreamRequestHead } from './upstream-request.ts';

/** What {@link fakeUpstream} takes; all of it is optional. */
export interface FakeUpstreamOptions {
  /** Body of replies that say none, so that a test sees who answered. Default `''`. */
  readonly name?: string;
  /** What every request gets that nothing else is said for. Default 200 with the name. */
  readonly reply?: UpstreamAnswer;
  /** Default `both`: in plaintext by the first bytes, over TLS by ALPN. */
  readonly protocol?: UpstreamProtocol;
  readonly tls?: UpstreamTls;
  /** Default: any that is free. */
  readonly port?: number;
  /** Time of `delayMs`; give it the virtual clock of the mesh. Default: that of the process. */
  readonly clock?: Clock;
  /** Settings of HTTP/2, such as `maxConcurrentStreams`. */
  readonly http2?: Settings;
  /** An app of your own for requests that no script is for: what `http.createServer` takes, or `http2.createServer`. */
  readonly handler?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Takes connections that leave HTTP, such as WebSockets: what `server.on('upgrade')` takes. */
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** A fake upstream. What is scripted comes in this order: {@link next}, {@link when} (the latest first), {@link reply}. */
export interface FakeUpstream extends AsyncDisposable {
  readonly name: string;
  /** `127.0.0.1:port`, as endpoints are written. */
  readonly address: string;
  readonly port: number;
  /** `http://127.0.0.1:port`, or `https:`. */
  readonly url: string;
  /** In the order of their heads. */
  readonly requests: readonly UpstreamRequest[];
  /** Connections that are open. */
  readonly connections: number;
  /** Connections that were made since the start. */
  readonly accepted: number;
  /** What every request gets from now on. */
  reply(answer: UpstreamAnswer): this;
  /** What the next requests get, one each. */
  next(...answers: readonly UpstreamAnswer[]): this;
  /** What requests get that fit. */
  when(match: UpstreamMatch | ((request: UpstreamRequestHead) => boolean), answer: UpstreamAnswer): this;
  /** Resolves with the request of this number (from 1) when its head is there; rejects after 5 s, with what came. */
  received(number?: number): Promise<UpstreamRequest>;
  /** Asks every client to leave: GOAWAY on connections of HTTP/2 (`code` 0 = in good order), the others are closed when idle. */
  goAway(code?: number): void;
  /** Breaks every connection off. */
  cut(): void;
  /** Forgets the script and the requests; the reply is that of the start. */
  reset(): void;
  /** As if killed: connections break, and new ones are refused until {@link start}. */
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
}

/**
 * Starts one on a free port of 127.0.0.1; `await using` ends it. Nothing is faked below HTTP: sockets, TLS and HTTP/2 are real.
 *
 * ```js
 * await using orders = await fakeUpstream({ name: 'orders' });
 * orders.next(503, { fault: 'reset' }); // then 200 "orders" again
 * ```
 */
export async function fakeUpstream(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  checkOptions(options);
  const upstream = new ScriptedUpstream(options);
  await upstream.start();
  return upstream;
}

const receivedTimeoutMs = 5000;

interface Rule {
  readonly fits: (request: UpstreamRequestHead) => boolean;
  readonly answer: UpstreamAnswer;
}

class ScriptedUpstream implements FakeUpstream {
  readonly name: string;
  readonly requests: UpstreamRequest[] = [];
  readonly #options: FakeUpstreamOptions;
  readonly #port: UpstreamPort;
  readonly #clock: Clock;
  #reply: UpstreamAnswer | undefined;
  #next: UpstreamAnswer[] = [];
  #rules: Rule[] = [];
  #waiters: (() => void)[] = [];

  constructor(options: FakeUpstreamOptions) {
    this.#options = options;
    this.name = options.name ?? '';
    this.#reply = options.reply;
    this.#clock = options.clock ?? systemClock;
    this.#port = new UpstreamPort(
      {
        protocol: options.protocol ?? 'both',
        tls: options.tls,
        http2: options.http2,
        onUpgrade: options.upgrade,
        onRequest: (connection, request, response) => this.#onRequest(connection, request, response),
      },
      options.port ?? 0,
    );
  }

  get port(): number {
    return this.#port.port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${this.address}`;
  }

  get connections(): number {
    return this.#port.connections.size;
  }

  get accepted(): number {
    return this.#port.accepted;
  }

  reply(answer: UpstreamAnswer): this {
    checkAnswer(answer);
    this.#reply = answer;
    return this;
  }

  next(...answers: readonly UpstreamAnswer[]): this {
    for (const answer of answers) checkAnswer(answer);
    this.#next.push(...answers);
    return this;
  }

  when(match: UpstreamMatch | ((request: UpstreamRequestHead) => boolean), answer: UpstreamAnswer): this {
    checkMatch(match);
    checkAnswer(answer);
    this.#rules.unshift({ fits: typeof match === 'function' ? match : (request) => isMatch(match, request), answer });
    return this;
  }

  received(number = 1): Promise<UpstreamRequest> {
    const request = new Promise<UpstreamRequest>((resolve, reject) => {
      const look = (): void => {
        const request = this.requests[number - 1];
        if (request === undefined) return;
        timer.cancel();
        this.#waiters = this.#waiters.filter((waiter) => waiter !== look);
        resolve(request);
      };
      const timer = systemClock.setTimer(() => {
        const came = this.requests.map(({ method, path }) => `${method} ${path}`).join(', ') || 'none';
        reject(
          new Error(`${this.name || this.address} did not get request ${number} within ${receivedTimeoutMs} ms; got: ${came}`),
        );
      }, receivedTimeoutMs);
      this.#waiters.push(look);
      look();
    });
    return holdingProcess(request);
  }

  goAway(code = 0): void {
    for (const { session } of this.#port.connections) {
      session?.goaway(code);
      if (code === 0) session?.close();
    }
    this.#port.closeIdle();
  }

  cut(): void {
    this.#port.cut();
  }

  reset(): void {
    this.#reply = this.#options.reply;
    this.#next = [];
    this.#rules = [];
    this.requests.length = 0;
  }

  stop(): Promise<void> {
    return this.#port.close();
  }

  start(): Promise<void> {
    return this.#port.listen();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #onRequest(
    connection: UpstreamConnection,
    message: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): void {
    const { handler } = this.#options;
    const { number, clientUris, socket, carrier } = connection;
    const gone = new AbortController();
    const aborted = new Promise<void>((resolve) => {
      const stream = 'stream' in response ? response.stream : response;
      stream.on('close', () => {
        gone.abort(new Error('the client has gone'));
        // A stream that was reset is finished too: Node ends what is left of it.
        if (!stream.writableFinished || ('aborted' in stream && stream.aborted)) resolve();
      });
    });
    const place = { number: this.requests.length + 1, connection: number, clientUris, aborted };
    const head = headFrom(message, place);
    const answer = this.#answerTo(head);
    const isHandled = answer === undefined && handler !== undefined;
    const request: UpstreamRequest = { ...head, ...bodyFrom(message, isHandled) };
    this.requests.push(request);
    for (const waiter of this.#waiters) waiter();
    if (isHandled) {
      handler(message as IncomingMessage, response as ServerResponse);
      return;
    }
    const writer = 'stream' in response ? http2Writer(response, carrier) : http1Writer(response, socket);
    replyTo(request, answer)
      .then((reply) => sendReply({ request, writer, socket, clock: this.#clock, name: this.name, signal: gone.signal }, reply))
      // The client has gone, which is what many tests are about; or a reply cannot be sent, and its request must not hang.
      .catch(() => socket.destroy());
  }

  #answerTo(request: UpstreamRequestHead): UpstreamAnswer | undefined {
    return this.#next.shift() ?? this.#rules.find(({ fits }) => fits(request))?.answer ?? this.#reply;
  }
}

/** A function of the test that throws shows in the response, and so in the test. */
async function replyTo(request: UpstreamRequest, answer: UpstreamAnswer | undefined): Promise<UpstreamReply> {
  try {
    const reply = typeof answer === 'function' ? await answer(request) : answer;
    if (reply !== undefined) checkAnswer(reply);
    return typeof reply === 'number' ? { status: reply } : (reply ?? {});
  } catch (error) {
    return { status: 500, body: `the reply function of the fake upstream failed: ${String(error)}` };
  }
}
