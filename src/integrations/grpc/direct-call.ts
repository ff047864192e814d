/**
 * A call on a channel of the mesh without the layers in which grpc-js resolves, queues, retries and picks: the mesh does all of that, and
 * they cost more than the mesh does (benchmarks/README.md, `grpc-unary`). What else they do is done here, as they do it: the deadline, the
 * frames of messages, the headers about compression.
 *
 * What is rare goes the whole way through them, by the pick (channel.ts): call credentials, compressed requests, calls that are a part of
 * another one, and calls that are made before the channel is ready.
 */
import type { CallCredentials, ChannelOptions, Metadata } from '@grpc/grpc-js';
import { formatGrpcTimeout } from '../../base/grpc-timeout.ts';
import { heldTimer, systemClock, type Timer } from '../../base/runtime.ts';
import { framed, prefixBytes } from '../../wire/grpc-frames.ts';
import { MeshCall, type CallHeaders } from './call.ts';
import type { ChannelContext } from './channel-context.ts';
import type {
  AuthContext,
  CallArguments,
  CallListener,
  CallStatus,
  ChannelCall,
  MakeCall,
  MessageContext,
  ResponseFilter,
  TakenChannel,
} from './grpc-js.ts';

/** Makes the calls of a channel; undefined where all of them need the layers of grpc-js. */
export function directCalls(
  context: ChannelContext,
  credentials: CallCredentials,
  { 'grpc.default_compression_algorithm': compression, 'grpc.max_send_message_length': maxSendBytes = -1 }: ChannelOptions,
): MakeCall | undefined {
  if (compression !== undefined || !context.grpc.CallCredentials.createEmpty()._equals(credentials)) return undefined;
  return (channel, args) => {
    const [, , , parent] = args;
    if (parent !== undefined && parent !== null) return channel.createLayeredCall(...args);
    return new DirectCall(context, channel, args, maxSendBytes);
  };
}

class DirectCall implements ChannelCall, CallListener {
  private readonly context: ChannelContext;
  private readonly channel: TakenChannel;
  private readonly args: CallArguments;
  private readonly maxSendBytes: number;
  private listener: CallListener | undefined = undefined;
  private call: MeshCall | undefined = undefined;
  /** Instead of this one: it has turned out to need the layers. */
  private layered: ChannelCall | undefined = undefined;
  private deadline: Timer | undefined = undefined;
  /** Of a response that is compressed. */
  private filter: ResponseFilter | undefined = undefined;
  private isFiltering = false;
  /** Waits for the message that is being filtered. */
  private statusToCome: CallStatus | undefined = undefined;
  private isOver = false;

  constructor(context: ChannelContext, channel: TakenChannel, args: CallArguments, maxSendBytes: number) {
    this.context = context;
    this.channel = channel;
    this.args = args;
    this.maxSendBytes = maxSendBytes;
  }

  setCredentials(credentials: CallCredentials): void {
    this.layered = this.channel.createLayeredCall(...this.args);
    this.layered.setCredentials(credentials);
  }

  start(metadata: Metadata, listener: CallListener): void {
    // More than one is refused, in grpc-js's own words.
    if (this.layered === undefined && metadata.get('authorization').length > 1)
      this.layered = this.channel.createLayeredCall(...this.args);
    if (this.layered !== undefined) {
      this.layered.start(metadata, listener);
      return;
    }
    this.listener = listener;
    if (this.isOver) return;
    this.channel.onCallStart();
    const [method, dueAt, host] = this.args;
    const headers = metadata.toHttp2Headers() as CallHeaders;
    headers['grpc-accept-encoding'] = 'identity,deflate,gzip';
    headers['accept-encoding'] = 'identity';
    delete headers['grpc-encoding'];
    const dueMs = dueAt instanceof Date ? dueAt.getTime() : dueAt;
    if (dueMs !== Number.POSITIVE_INFINITY) {
      const startMs = systemClock.wallNow();
      this.deadline = heldTimer(() => this.expire(startMs), Math.max(0, dueMs - startMs));
      if (dueMs <= startMs) return;
      headers['grpc-timeout'] = formatGrpcTimeout(dueMs - startMs);
    }
    this.call = new MeshCall(this.context, headers, this, {
      authority: host ?? this.channel.authority,
      method,
      number: this.getCallNumber(),
      waitsForReady: metadata.getOptions().waitForReady === true,
      hasCredentials: false,
      scope: undefined,
    });
  }

  private expire(startMs: number): void {
    const parts = [`Deadline exceeded after ${((systemClock.wallNow() - startMs) / 1000).toFixed(3)}s`];
    if (this.call !== undefined) parts.push(...this.call.getDeadlineInfo());
    this.cancelWithStatus(this.context.grpc.status.DEADLINE_EXCEEDED, parts.join(','));
  }

  sendMessageWithContext(context: MessageContext, message: Buffer): void {
    const { maxSendBytes } = this;
    if (this.layered !== undefined) this.layered.sendMessageWithContext(context, message);
    else if (maxSendBytes !== -1 && message.length > maxSendBytes)
      this.cancelWithStatus(
        this.context.grpc.status.RESOURCE_EXHAUSTED,
        `Attempted to send message with a size larger than ${maxSendBytes}`,
      );
    else this.call?.sendMessageWithContext(context, framed(message));
  }

  startRead(): void {
    (this.layered ?? this.call)?.startRead();
  }

  halfClose(): void {
    (this.layered ?? this.call)?.halfClose();
  }

  cancelWithStatus(code: number, details: string): void {
    if (this.layered !== undefined) {
      this.layered.cancelWithStatus(code, details);
      return;
    }
    this.call?.cancelWithStatus(code, details);
    if (this.isOver) return;
    const status = { code, details, metadata: new this.context.grpc.Metadata() };
    this.end(status);
    process.nextTick(() => this.listener?.onReceiveStatus(status));
  }

  getPeer(): string {
    return (this.layered ?? this.call)?.getPeer() ?? this.channel.target;
  }

  getAuthContext(): AuthContext | null {
    return (this.layered ?? this.call)?.getAuthContext() ?? null;
  }

  /** Stands in the log of grpc-js's layers, where this call does not appear. */
  getCallNumber(): number {
    return this.layered?.getCallNumber() ?? 0;
  }

  onReceiveMetadata(metadata: Metadata): void {
    const [encoding] = metadata.get('grpc-encoding');
    if (encoding !== undefined && encoding !== 'identity') this.filter = this.channel.createResponseFilter();
    else metadata.remove('grpc-encoding');
    metadata.remove('grpc-accept-encoding');
    this.listener!.onReceiveMetadata(this.filter?.receiveMetadata(metadata) ?? metadata);
  }

  onReceiveMessage(message: Buffer): void {
    const isCompressed = message[0] === 1;
    if (this.filter === undefined && !isCompressed) {
      this.listener!.onReceiveMessage(message.subarray(prefixBytes));
      return;
    }
    this.isFiltering = true;
    this.filter ??= this.channel.createResponseFilter();
    this.filter.receiveMessage(message).then(
      (plain) => {
        this.isFiltering = false;
        if (!this.isOver) this.listener!.onReceiveMessage(plain);
        if (this.statusToCome !== undefined) this.tellStatus(this.statusToCome);
      },
      ({ code, details }: CallStatus) => this.cancelWithStatus(code, details),
    );
  }

  onReceiveStatus(status: CallStatus): void {
    if (this.isFiltering) this.statusToCome = status;
    else this.tellStatus(status);
  }

  private tellStatus(status: CallStatus): void {
    if (this.isOver) return;
    this.end(status);
    this.listener!.onReceiveStatus(status);
  }

  private end(status: CallStatus): void {
    this.isOver = true;
    this.deadline?.cancel();
    if (this.listener !== undefined) this.channel.onCallEnd(status);
  }
}
