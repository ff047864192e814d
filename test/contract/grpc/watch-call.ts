/** What a program hears of a call, in its order and in words, so that two ways of making it can be compared. */
import type {
  ClientReadableStream,
  ClientUnaryCall,
  ClientWritableStream,
  Metadata,
  ServiceError,
  StatusObject,
} from '@grpc/grpc-js';

/** Everything that was heard of a call. */
export interface Heard {
  /** `metadata`, `data 5`, `end`, `status 0`, `error 13`. */
  readonly events: string[];
  metadata: Record<string, unknown>;
  status: { readonly code: number; readonly details: string; readonly metadata: Record<string, unknown> } | undefined;
  error: { readonly code: number; readonly details: string; readonly message: string } | undefined;
  readonly messages: Buffer[];
}

/** Metadata without what tells the time or comes of the transport. */
export function plainMetadata(metadata: Metadata): Record<string, unknown> {
  const entries = Object.entries(metadata.toJSON() as Record<string, (string | Buffer)[]>);
  const kept = entries.filter(([key]) => key !== 'date');
  return Object.fromEntries(
    kept
      .map(
        ([key, values]) =>
          [key, values.map((value) => (typeof value === 'string' ? value : `0x${value.toString('hex')}`))] as const,
      )
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
}

/** Listens to a call of any kind from now on; resolves with `status`, which every call ends with. */
export function watch(call: ClientUnaryCall | ClientWritableStream<Buffer> | ClientReadableStream<Buffer>): {
  readonly heard: Heard;
  readonly over: Promise<Heard>;
} {
  const heard: Heard = { events: [], metadata: {}, status: undefined, error: undefined, messages: [] };
  const { promise, resolve } = Promise.withResolvers<Heard>();
  call.on('metadata', (metadata) => {
    heard.events.push('metadata');
    heard.metadata = plainMetadata(metadata);
  });
  call.on('status', ({ code, details, metadata }: StatusObject) => {
    heard.events.push(`status ${code}`);
    heard.status = { code, details, metadata: plainMetadata(metadata) };
    // A reader that has not come to its end by now hears it after the status.
    setImmediate(() => resolve(heard));
  });
  if ('read' in call) {
    call.on('data', (message: Buffer) => {
      heard.events.push(`data ${message.length}`);
      heard.messages.push(message);
    });
    call.on('end', () => heard.events.push('end'));
    call.on('error', (error: Error) => {
      const { code, details, message } = error as ServiceError;
      heard.events.push(`error ${code}`);
      heard.error = { code, details, message };
    });
  }
  return { heard, over: promise };
}
