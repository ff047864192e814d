/**
 * A scripted ADS server for tests: it answers in both variants as the xDS protocol asks (only what changed or was newly asked for), keeps
 * what it was told, and can hang, hold back, drop streams, send anything, or vanish and come back on its port.
 */
import type { Metadata, ServerDuplexStream } from '@grpc/grpc-js';
import { deltaResponse, readRequest, wholeResponse, type SeenRequest, type Variant } from './ads-messages.ts';
import { readAsIstiod, type AdsWatch } from './ads-watch.ts';
import {
  endWith,
  startGrpcServer,
  type GrpcMethods,
  type GrpcRefusal,
  type GrpcServer,
  type GrpcServerTls,
} from './grpc-server.ts';

/** How a server is started. */
export interface AdsServerOptions {
  readonly tls?: GrpcServerTls;
  readonly port?: number;
  /** Default both; a variant that is left out is answered with UNIMPLEMENTED. */
  readonly variants?: readonly Variant[];
  readonly controlPlane?: string;
  /** Requests are read as Istiod reads them, which is narrower than the protocol. */
  readonly isIstiod?: boolean;
  /** Streams of other services on the same server, by their paths. */
  readonly others?: GrpcMethods['stream'];
  /** Ends each new stream at once. */
  readonly refuse?: (metadata: Metadata) => GrpcRefusal | undefined;
}

/** A server that runs. */
export interface AdsServer {
  readonly address: string;
  readonly port: number;
  readonly requests: readonly SeenRequest[];
  /** What came with each stream. */
  readonly metadata: readonly Metadata[];
  /** Streams that stand. */
  openStreams(): number;
  /** Resolves with the first request, past or coming, that fits. */
  seen(fits: (request: SeenRequest) => boolean): Promise<SeenRequest>;
  /** Resolves when so many streams have been opened. */
  streamsOpened(count: number): Promise<void>;
  /** Sets a resource (`bytes` as in `encodeXds` or by hand) and pushes it to the streams that want it. */
  push(typeUrl: string, resources: Readonly<Record<string, Uint8Array | undefined>>, version?: string): void;
  /** Answers nothing any more; what is set meanwhile is sent on `hang(false)`. */
  hang(on?: boolean): void;
  /** Ends every stream: with OK, or with a status. */
  drop(refusal?: GrpcRefusal): void;
  /** Sends the bytes as a message of each stream. */
  garble(bytes: Uint8Array): void;
  /** Stops listening and cuts all connections; `start` listens on the same port again, with the same resources. */
  stop(): void;
  start(): Promise<void>;
  close(): void;
}

interface Stream {
  readonly call: ServerDuplexStream<Buffer, Uint8Array>;
  readonly variant: Variant;
  readonly number: number;
  readonly types: Map<string, AdsWatch>;
}

interface Stored {
  readonly bytes: Uint8Array;
  readonly version: string;
}

export { deltaResponse, namedResource, wholeResponse, type SeenRequest } from './ads-messages.ts';

const method = '/envoy.service.discovery.v3.AggregatedDiscoveryService/';
const wholeTypes = /\.(Listener|Cluster)$/;

/** Starts a server on 127.0.0.1. */
export async function startAdsServer(options: AdsServerOptions = {}): Promise<AdsServer> {
  const { controlPlane = '' } = options;
  const requests: SeenRequest[] = [];
  const metadata: Metadata[] = [];
  const streams = new Set<Stream>();
  const resources = new Map<string, Map<string, Stored>>();
  const versions = new Map<string, string>();
  const waiting = new Set<() => void>();
  let nonces = 0;
  let isHung = false;

  const changed = (): void => {
    for (const check of waiting) check();
  };

  const until = <T>(find: () => T | undefined): Promise<T> =>
    new Promise((resolve) => {
      const check = (): void => {
        const found = find();
        if (found === undefined) return;
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      check();
    });

  const typeOf = (stream: Stream, typeUrl: string): AdsWatch => {
    const known = stream.types.get(typeUrl);
    if (known !== undefined) return known;
    const fresh = { wanted: new Set<string>(), isAll: false, hasNamed: false, nonce: '', known: new Map(), isWatched: false };
    stream.types.set(typeUrl, fresh);
    return fresh;
  };

  /** Sends what the client wants and has not. */
  const bring = (stream: Stream, typeUrl: string, isForced = false): void => {
    if (isHung) return;
    const state = typeOf(stream, typeUrl);
    const all = resources.get(typeUrl) ?? new Map<string, Stored>();
    const wanted = [...all].filter(([name]) => state.isAll || state.wanted.has(name));
    const fresh = wanted.filter(([name, { version }]) => state.known.get(name) !== version);
    const gone = [...state.known.keys()].filter((name) => !all.has(name));
    if (!isForced && fresh.length + gone.length === 0) return;
    const isWhole = stream.variant === 'state-of-the-world' && wholeTypes.test(typeUrl);
    for (const name of gone) state.known.delete(name);
    for (const [name, { version }] of fresh) state.known.set(name, version);
    state.nonce = `n${++nonces}`;
    const sent = (isWhole || isForced ? wanted : fresh).map(([name, { bytes, version }]) => ({ name, bytes, version }));
    const response = { typeUrl, version: versions.get(typeUrl) ?? '0', nonce: state.nonce, resources: sent, controlPlane };
    stream.call.write(stream.variant === 'delta' ? deltaResponse({ ...response, removed: gone }) : wholeResponse(response));
  };

  const onRequest = (stream: Stream, bytes: Uint8Array): void => {
    // Ended here already: nothing can be written any more.
    if (!streams.has(stream)) return;
    const request = readRequest(bytes, stream.variant, stream.number);
    requests.push(request);
    changed();
    const state = typeOf(stream, request.typeUrl);
    if (options.isIstiod === true) {
      const reply = readAsIstiod(request, state, wholeTypes.test(request.typeUrl));
      if (reply !== 'nothing') bring(stream, request.typeUrl, reply === 'response');
      return;
    }
    if (stream.variant === 'delta') {
      if (request.nonce !== '' && request.names.length + request.unsubscribed.length === 0) return;
      const isFirst = !state.hasNamed && !state.isAll;
      if (isFirst) for (const [name, version] of Object.entries(request.initialVersions)) state.known.set(name, version);
      if (isFirst && request.names.length === 0 && wholeTypes.test(request.typeUrl)) state.isAll = true;
      if (request.names.length > 0) state.hasNamed = true;
      for (const name of request.unsubscribed) {
        if (name === '*') state.isAll = false;
        state.wanted.delete(name);
        state.known.delete(name);
      }
      for (const name of request.names) {
        if (name === '*') state.isAll = true;
        else state.wanted.add(name);
        state.known.delete(name);
      }
      bring(stream, request.typeUrl);
      return;
    }
    // The protocol: a request with an old nonce is not answered.
    if (request.nonce !== state.nonce) return;
    if (request.names.length > 0) state.hasNamed = true;
    state.isAll = request.names.includes('*') || (!state.hasNamed && wholeTypes.test(request.typeUrl));
    const names = new Set(request.names);
    for (const name of state.known.keys()) if (!state.isAll && !names.has(name)) state.known.delete(name);
    state.wanted = names;
    const isFirst = request.nonce === '';
    const isCurrent = request.version !== '' && request.version === versions.get(request.typeUrl);
    if (isFirst && isCurrent) {
      for (const [name, { version }] of resources.get(request.typeUrl) ?? [])
        if (state.isAll || names.has(name)) state.known.set(name, version);
      return;
    }
    const lost = request.version === '' && request.error === undefined && !isFirst;
    if (lost) state.known.clear();
    bring(stream, request.typeUrl, isFirst && state.isAll);
  };

  const open =
    (variant: Variant) =>
    (call: ServerDuplexStream<Buffer, Uint8Array>): void => {
      const refusal =
        options.refuse?.(call.metadata) ??
        (options.variants?.includes(variant) === false ? { code: 12, details: `no ${variant}` } : undefined);
      const number = metadata.push(call.metadata) - 1;
      changed();
      if (refusal !== undefined) {
        endWith(call, refusal);
        return;
      }
      const stream: Stream = { call, variant, number, types: new Map() };
      streams.add(stream);
      call.on('data', (bytes: Buffer) => onRequest(stream, bytes));
      const over = (): void => {
        streams.delete(stream);
        changed();
      };
      call.on('cancelled', over);
      call.on('error', over);
      call.on('end', () => {
        over();
        call.end();
      });
    };

  const methods = {
    stream: {
      [`${method}StreamAggregatedResources`]: open('state-of-the-world'),
      [`${method}DeltaAggregatedResources`]: open('delta'),
      ...options.others,
    },
  };
  let server: GrpcServer = await startGrpcServer(methods, options.tls, options.port);
  const { address, port } = server;
  const stop = (): void => {
    streams.clear();
    server.close();
  };

  return {
    address,
    port,
    requests,
    metadata,
    openStreams: () => streams.size,
    seen: (fits) => until(() => requests.find(fits)),
    async streamsOpened(count) {
      await until(() => (metadata.length >= count ? true : undefined));
    },
    push(typeUrl, set, version = String(Number(versions.get(typeUrl) ?? '0') + 1)) {
      const all = resources.get(typeUrl) ?? new Map<string, Stored>();
      resources.set(typeUrl, all);
      versions.set(typeUrl, version);
      for (const [name, bytes] of Object.entries(set)) {
        if (bytes === undefined) all.delete(name);
        else all.set(name, { bytes, version });
      }
      for (const stream of streams) if (stream.types.has(typeUrl)) bring(stream, typeUrl);
    },
    hang(on = true) {
      isHung = on;
      if (!on) for (const stream of streams) for (const typeUrl of stream.types.keys()) bring(stream, typeUrl);
    },
    drop(refusal) {
      for (const { call } of streams) {
        if (refusal === undefined) call.end();
        else endWith(call, refusal);
      }
      streams.clear();
    },
    garble(bytes) {
      for (const { call } of streams) call.write(bytes);
    },
    stop,
    async start() {
      server = await startGrpcServer(methods, options.tls, port);
    },
    close: stop,
  };
}
