/**
 * Calls of gRPC with raw bytes, over @grpc/grpc-js: whoever calls encodes and decodes. A connection is one attempt: it has a channel and
 * a subchannel of its own, is not retried inside and knows no back-off, no service config and no HTTP proxy, so that how often a server
 * is asked is decided in one place, by the caller. Messages are read one at a time: the next one is asked of HTTP/2 only when the last
 * was taken, so that a slow reader slows the server down and holds one message, not sixteen.
 */
import { Channel, connectivityState, Metadata, status } from '@grpc/grpc-js';
import { systemClock } from '../base/runtime.ts';
import { grpcCredentials, type GrpcTls } from './grpc-credentials.ts';
import { connectionDetails, grpcCodes, GrpcError } from './grpc-error.ts';
import { connectionFailure } from './tls-failure.ts';

export type { GrpcTls } from './grpc-credentials.ts';
export { rootsProblem } from './tls-failure.ts';
export { grpcCodes, GrpcError } from './grpc-error.ts';

/** Where a connection goes. */
export interface GrpcTarget {
  /** `host:port`, `[address]:port` or `unix:/path`. */
  readonly address: string;
  /** Absent = plaintext. */
  readonly tls?: GrpcTls;
  /** HTTP/2 pings while a call is open; a server that does not answer one in time is dead. Absent = none. */
  readonly keepAlive?: { readonly intervalMs: number; readonly timeoutMs: number };
  /** Of a received message. Default 64 MiB: what a whole mesh of 50 MB takes. */
  readonly maxMessageBytes?: number;
  /** For TCP, TLS and HTTP/2 together. Default 20 s: gRPC's MIN_CONNECT_TIMEOUT. */
  readonly connectTimeoutMs?: number;
}

/** Metadata that is sent with a call. Never part of an error. */
export type GrpcMetadata = Readonly<Record<string, string>>;

/** One call with one answer. */
export interface GrpcUnaryOptions {
  readonly metadata?: GrpcMetadata;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Who hears what a stream brings. */
export interface GrpcStreamOptions {
  readonly metadata?: GrpcMetadata;
  /** The connection stands: the server has said its first word of HTTP/2, and what was sent is on its way. */
  onOpen?(): void;
  onMessage(bytes: Uint8Array): void;
  /** Exactly once, also after {@link GrpcStream.cancel} (CANCELLED); undefined = the server ended the stream with OK. */
  onEnd(error: GrpcError | undefined): void;
}

/** A stream of messages both ways. Does not keep the process alive. */
export interface GrpcStream {
  /** Nothing happens once the stream has ended. */
  send(message: Uint8Array): void;
  /** Nothing more will be sent: for a method that takes one message. What the server sends still comes. */
  end(): void;
  /** No further message is asked for. Called in `onMessage`, that message is the last one; else one that is on its way may still come. */
  pause(): void;
  resume(): void;
  cancel(): void;
}

/** A connection to a server, made with the first call. */
export interface GrpcConnection {
  /** Rejects with a {@link GrpcError}. `path` is `/package.Service/Method`. Does not keep the process alive. */
  unary(path: string, request: Uint8Array, options?: GrpcUnaryOptions): Promise<Uint8Array>;
  /** Throws a {@link GrpcError} for metadata that no header can carry, without naming its value. */
  stream(path: string, options: GrpcStreamOptions): GrpcStream;
  /** Cancels what is open. Idempotent. */
  close(): void;
}

const defaultMaxMessageBytes = 64 * 1024 * 1024;
const defaultConnectTimeoutMs = 20_000;
/** HTTP/2's 64 KiB would make a push of 50 MB wait for 800 round trips. */
const windowBytes = 4 * 1024 * 1024;

/** Says of a channel that no mesh may stand in front of it (integrations/grpc/install.ts): a mesh waits for what comes over it. */
const directKey = 'meshfetch.direct';

/** A connection to the target. Throws a TypeError for an address that is none. */
export function openGrpc(target: GrpcTarget): GrpcConnection {
  const { uri, host } = readAddress(target.address);
  const { keepAlive } = target;
  const serverName = target.tls?.serverName;
  const connectTimeoutMs = target.connectTimeoutMs ?? defaultConnectTimeoutMs;
  const channel = new Channel(uri, grpcCredentials(host, target.tls), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.primary_user_agent': 'meshfetch',
    [directKey]: 1,
    'grpc.max_receive_message_length': target.maxMessageBytes ?? defaultMaxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': windowBytes,
    ...(serverName !== undefined && { 'grpc.default_authority': serverName }),
    ...(keepAlive !== undefined && {
      'grpc.keepalive_time_ms': keepAlive.intervalMs,
      'grpc.keepalive_timeout_ms': keepAlive.timeoutMs,
    }),
  });
  const tried = { tls: target.tls, serverName: serverName ?? host, isUnixSocket: target.address.startsWith('unix:') };
  const words = (details: string): string => {
    const raw = connectionDetails(details);
    return raw === undefined ? details : `no connection: ${connectionFailure(raw, tried)}`;
  };
  const open = new Set<() => void>();
  let isClosed = false;

  function stream(path: string, options: GrpcStreamOptions, timeoutMs?: number): GrpcStream {
    if (isClosed) throw new TypeError('the connection was closed');
    const metadata = metadataFrom(options.metadata);
    const deadline = timeoutMs === undefined ? Infinity : systemClock.wallNow() + timeoutMs;
    const call = channel.createCall(path, deadline, null, null, null);
    let isPaused = false;
    let isReading = true;
    let isOver = false;
    const cancel = (code = status.CANCELLED, details = 'cancelled here'): void => {
      if (!isOver) call.cancelWithStatus(code, details);
    };
    const connecting = systemClock.setTimer(() => {
      cancel(status.UNAVAILABLE, `no connection: ${target.address} did not answer within ${connectTimeoutMs} ms`);
    }, connectTimeoutMs);
    const awaitConnection = (): void => {
      if (isOver || isClosed) return;
      const state = channel.getConnectivityState(false);
      if (state !== connectivityState.READY) {
        channel.watchConnectivityState(state, Infinity, awaitConnection);
        return;
      }
      connecting.cancel();
      options.onOpen?.();
    };
    const read = (): void => {
      if (isPaused || isReading || isOver) return;
      isReading = true;
      call.startRead();
    };
    // The library has room for one message that was not written yet: the others wait here.
    const unsent: Buffer[] = [];
    let isWriting = false;
    let isEnding = false;
    const write = (): void => {
      if (isWriting || isOver) return;
      const message = unsent.shift();
      if (message === undefined) {
        if (isEnding) call.halfClose();
        return;
      }
      isWriting = true;
      const callback = (): void => {
        isWriting = false;
        write();
      };
      call.sendMessageWithContext({ callback }, message);
    };
    const onClose = (): void => cancel();
    open.add(onClose);
    call.start(metadata, {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: Buffer) => {
        isReading = false;
        options.onMessage(message);
        read();
      },
      onReceiveStatus: (result) => {
        if (isOver) return;
        isOver = true;
        connecting.cancel();
        open.delete(onClose);
        options.onEnd(result.code === status.OK ? undefined : new GrpcError(result.code, words(result.details), result.metadata));
      },
    });
    call.startRead();
    // Not at once: the caller has no stream yet.
    queueMicrotask(awaitConnection);
    return {
      send: (message) => {
        unsent.push(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
        write();
      },
      pause: () => {
        isPaused = true;
      },
      resume: () => {
        isPaused = false;
        read();
      },
      cancel: () => cancel(),
      end: () => {
        isEnding = true;
        write();
      },
    };
  }

  return {
    stream: (path, options) => stream(path, options),
    unary: (path, request, options = {}) =>
      new Promise((resolve, reject) => {
        const { signal, timeoutMs, metadata } = options;
        let answer: Uint8Array | undefined;
        const onAbort = (): void => call.cancel();
        const call = stream(
          path,
          {
            ...(metadata !== undefined && { metadata }),
            onMessage: (bytes) => {
              answer = bytes;
            },
            onEnd: (error) => {
              signal?.removeEventListener('abort', onAbort);
              if (error === undefined && answer !== undefined) resolve(answer);
              else reject(error ?? new GrpcError(grpcCodes.internal, 'the call ended with OK and without an answer'));
            },
          },
          timeoutMs,
        );
        if (signal?.aborted) {
          call.cancel();
          return;
        }
        signal?.addEventListener('abort', onAbort, { once: true });
        call.send(request);
        call.end();
      }),
    close: () => {
      if (isClosed) return;
      isClosed = true;
      for (const cancel of open) cancel();
      channel.close();
    },
  };
}

function metadataFrom(values: GrpcMetadata = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(values))
    try {
      metadata.set(name, value);
    } catch {
      // The library's own error quotes the value, which may be a token.
      throw new GrpcError(status.INTERNAL, `the metadata "${name}" has characters that no header can carry`);
    }
  return metadata;
}

/** A target in the form of gRPC, and the host whose name the certificate must bear. */
function readAddress(address: string): { readonly uri: string; readonly host: string } {
  if (address.startsWith('unix:')) return { uri: address, host: 'localhost' };
  const parts = /^(?:\[([\da-fA-F:.]+)\]|([^:/\s[\]]+)):(\d{1,5})$/.exec(address);
  const host = parts?.[1] ?? parts?.[2];
  if (host === undefined || Number(parts![3]) > 65_535)
    throw new TypeError(
      `the address of a gRPC server is host:port, [address]:port or unix:/path, not ${JSON.stringify(address)}`,
    );
  return { uri: `dns:${address}`, host };
}
