/**
 * A gRPC call on the mesh: what grpc-js takes for a call on a subchannel, and a handler of undici. It turns what grpc-js writes into one
 * `dispatch` and what comes back into metadata, messages and a status; it picks nothing, repeats nothing and times nothing, since that is
 * the mesh's. What it keeps are the rules of grpc-js about the order of things:
 *
 * - the metadata comes at once, a message only when one was asked for, the status after the last message; a failure does not wait for
 *   messages that nobody has read;
 * - no call of the listener within a call of grpc-js: each is a tick later;
 * - a reader that is slow stops the sender, a writer that is fast waits until the transport asks for more.
 *
 * A call whose only message and half-close are written at once leaves with a Buffer, which can be sent again in another attempt without
 * being recorded. That is known a tick after the call was made; nothing that grpc-js does by itself between them takes longer, compression
 * excepted.
 */
import type { Metadata } from '@grpc/grpc-js';
import type { Dispatcher } from 'undici';
import { isMeshError } from '../../base/errors.ts';
import { systemClock } from '../../base/runtime.ts';
import type { ServedRequest } from '../../model/served-request.ts';
import { MessageSplitter } from '../../wire/grpc-frames.ts';
import { isAwaited, reasonOf, statusOfError, statusOfHttp, statusOfTrailers } from './call-status.ts';
import type { CallStart, ChannelContext } from './channel-context.ts';
import type { AuthContext, CallListener, CallStatus, MessageContext, SubchannelCall } from './grpc-js.ts';
import { RequestMessages, withTimeLeft } from './request-messages.ts';

/** Of a request. */
export type CallHeaders = Record<string, string | string[]>;

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];
type Controller = Dispatcher.DispatchController & Partial<ServedRequest>;

/** Messages that nobody has asked for, in bytes: with more, nothing is read on. Source: the window of a stream, RFC 9113. */
const maxUnreadBytes = 65_535;

/** One call. */
export class MeshCall implements SubchannelCall, Dispatcher.DispatchHandler {
  private readonly channel: ChannelContext;
  private readonly headers: CallHeaders;
  private readonly listener: CallListener;
  private readonly start: CallStart;
  private readonly splitter: MessageSplitter;
  private controller: Controller | undefined = undefined;

  /** The first message, while it may be the only one. */
  private first: Buffer | undefined = undefined;
  private firstWritten: MessageContext['callback'] = undefined;
  private messages: RequestMessages | undefined = undefined;
  private body: Buffer | RequestMessages | undefined = undefined;
  private isHalfClosed = false;
  /** Attempts that found nobody. */
  private failures = 0;
  /** Monotonic milliseconds of the first one. */
  private sinceMs = 0.1;
  private waiting: { cancel(): void } | undefined = undefined;

  private http = 0;
  /** Headers that may be all there is of the response. */
  private lastHeaders: Headers | undefined = undefined;
  private readonly unread: Buffer[] = [];
  private unreadBytes = 0;
  private isAsked = false;
  /** A message is on its way to the listener. */
  private isTelling = false;
  private isReadToEnd = false;
  private status: CallStatus | undefined = undefined;
  private isOver = false;

  /** `headers`: of the metadata, without those of the protocol; the call's own from now on. */
  constructor(channel: ChannelContext, headers: CallHeaders, listener: CallListener, start: CallStart) {
    this.channel = channel;
    this.headers = headers;
    this.listener = listener;
    this.start = start;
    this.splitter = new MessageSplitter(channel.maxReceiveBytes);
    process.nextTick(leave, this);
  }

  getCallNumber(): number {
    return this.start.number;
  }

  getPeer(): string {
    return this.controller?.endpoint ?? this.channel.authority;
  }

  getDeadlineInfo(): string[] {
    const { endpoint } = this.controller ?? {};
    return [endpoint === undefined ? 'waiting for an endpoint of the mesh' : `remote_addr=${endpoint}`];
  }

  getAuthContext(): AuthContext {
    const certificate = this.controller?.peerCertificate;
    return certificate === undefined ? {} : { transportSecurityType: 'ssl', sslPeerCertificate: certificate.toLegacyObject() };
  }

  sendMessageWithContext({ callback }: MessageContext, message: Buffer): void {
    if (this.body === undefined && this.first === undefined && this.messages === undefined) {
      this.first = message;
      this.firstWritten = callback;
    } else this.stream().write(message, callback);
  }

  halfClose(): void {
    if (this.isHalfClosed) return;
    this.isHalfClosed = true;
    if (this.messages !== undefined) this.messages.halfClose();
    else this.leave();
  }

  /** What is written is sent as it comes. */
  private stream(): RequestMessages {
    if (this.messages === undefined) {
      this.messages = new RequestMessages();
      if (this.first !== undefined) this.messages.write(this.first, this.firstWritten);
      this.first = undefined;
      if (this.isHalfClosed) this.messages.halfClose();
    }
    return this.messages;
  }

  /** @internal Sends it, once. */
  leave(): void {
    if (this.body !== undefined || this.status !== undefined) return;
    if (this.isHalfClosed && this.first !== undefined) {
      this.body = this.first;
      if (this.firstWritten !== undefined) process.nextTick(this.firstWritten);
    } else this.body = this.stream();
    const { scope } = this.start;
    if (scope === undefined) this.dispatch();
    else scope(() => this.dispatch());
  }

  private dispatch(): void {
    const { channel, start } = this;
    const headers = this.failures === 0 ? this.headers : withTimeLeft(this.headers, systemClock.now() - this.sinceMs);
    headers['content-type'] = 'application/grpc';
    // Handed on with the metadata of a call that came in, it would be the length of another message.
    delete headers['content-length'];
    headers['te'] = 'trailers';
    headers['user-agent'] = channel.userAgent;
    if (start.authority !== channel.authority) headers['host'] = start.authority;
    const options = {
      origin: channel.origin,
      path: start.method,
      method: 'POST' as const,
      headers,
      body: this.body as Buffer,
      requiresTls: start.hasCredentials && !channel.allowsPlaintextCredentials,
    };
    channel.dispatcher.dispatch(options, this);
  }

  startRead(): void {
    if (this.status !== undefined && this.status.code !== 0) return;
    this.isAsked = true;
    if (this.unread.length > 0) this.tellNext();
    else this.controller?.resume();
  }

  /** The listener gets the first message that it has not had. */
  private tellNext(): void {
    this.isAsked = false;
    this.isTelling = true;
    const message = this.unread.shift()!;
    this.unreadBytes -= message.length;
    process.nextTick(tell, this, message);
  }

  /** @internal */
  tell(message: Buffer): void {
    this.isTelling = false;
    // A failure has overtaken it.
    if (this.isOver) return;
    this.listener.onReceiveMessage(message);
    this.finish();
  }

  cancelWithStatus(code: number, details: string): void {
    this.end({ code, details, metadata: new this.channel.grpc.Metadata() });
  }

  /** The call has this status, unless it has failed already; and nothing more is sent or read. */
  private end(status: CallStatus): void {
    if (this.isOver || (this.status !== undefined && this.status.code !== 0)) return;
    this.status = status;
    this.waiting?.cancel();
    // An error takes a stack along: a call that ends well has no need of one.
    if (this.messages !== undefined || !this.isReadToEnd) this.breakOff(reasonOf(status));
    if (this.body === undefined && this.firstWritten !== undefined) process.nextTick(this.firstWritten);
    this.finish();
  }

  /** What is still sent or read ends here. */
  private breakOff(reason: Error): void {
    this.messages?.abandon(reason);
    if (!this.isReadToEnd) this.controller?.abort(reason);
  }

  /** Tells the status, once everything before it has been told. */
  private finish(): void {
    const { status } = this;
    if (status === undefined || this.isOver) return;
    if (status.code === 0 && (this.unread.length > 0 || this.isTelling || !this.isReadToEnd)) return;
    this.isOver = true;
    this.unread.length = 0;
    process.nextTick(tellStatus, this.listener, status);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, http: number, headers: Headers): void {
    if (http < 200 || this.status !== undefined) return;
    this.http = http;
    // Without a body they are the trailers; then nothing is told of them before the end.
    if (headers['grpc-status'] !== undefined || http !== 200) this.lastHeaders = headers;
    else this.tellMetadata(headers);
  }

  private tellMetadata(headers: Headers): void {
    let metadata: Metadata;
    try {
      metadata = this.channel.grpc.Metadata.fromHttp2Headers(headers);
    } catch (error) {
      this.end({ code: 2, details: (error as Error).message, metadata: new this.channel.grpc.Metadata() });
      return;
    }
    this.listener.onReceiveMetadata(metadata);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.status !== undefined) return;
    if (this.lastHeaders !== undefined) {
      this.tellMetadata(this.lastHeaders);
      this.lastHeaders = undefined;
    }
    const tooLong = this.splitter.push(chunk, this.take);
    if (tooLong !== undefined) this.refuse(tooLong);
    else if (this.unreadBytes > maxUnreadBytes) controller.pause();
  }

  private readonly take = (message: Buffer): void => {
    this.unread.push(message);
    this.unreadBytes += message.length;
    if (this.isAsked && !this.isTelling) this.tellNext();
  };

  /** A proxy answers with a page of HTML: what it says of itself tells more than what its first letters are as a length. */
  private refuse(bytes: number): void {
    const { channel, http } = this;
    if (http !== 200) this.end(statusOfHttp(channel.grpc, http));
    else {
      const details = `Received message larger than max (${bytes} vs ${channel.maxReceiveBytes})`;
      this.end({ code: 8, details, metadata: new channel.grpc.Metadata() });
    }
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Headers | null): void {
    this.isReadToEnd = true;
    const last = trailers?.['grpc-status'] === undefined && this.lastHeaders !== undefined ? this.lastHeaders : (trailers ?? {});
    this.end(statusOfTrailers(this.channel.grpc, last, this.http));
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.status !== undefined) return;
    if (this.start.waitsForReady && this.mayWait(error)) {
      if (this.failures++ === 0) this.sinceMs = systemClock.now();
      this.waiting = this.channel.wait(this.failures, () => this.dispatch());
      return;
    }
    this.isReadToEnd = true;
    this.end(statusOfError(this.channel.grpc, error));
  }

  /** Whether nobody was there to take it, so that all of it is still here. */
  private mayWait(error: Error): boolean {
    if (!isMeshError(error) || error.mayHaveBeenProcessed || this.http !== 0 || this.messages?.wasRead === true) return false;
    return isAwaited(error);
  }
}

function leave(call: MeshCall): void {
  call.leave();
}

function tell(call: MeshCall, message: Buffer): void {
  call.tell(message);
}

function tellStatus(listener: CallListener, status: CallStatus): void {
  listener.onReceiveStatus(status);
}
