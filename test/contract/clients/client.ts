import type { Mesh, MeshErrorCode } from 'meshfetch';

/** A request in words that every client can say. */
export interface Ask {
  /** Default `orders`. */
  readonly host?: string;
  /** Default `/shop.Orders/Get`: a path of HTTP and a method of gRPC. */
  readonly path?: string;
  /** Of clients that have methods. Default GET; calls of gRPC and WebSockets have the one that they always have. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Parts are messages of a client that has messages. */
  readonly body?: Buffer | AsyncIterable<Buffer>;
  readonly signal?: AbortSignal;
  /** What the URL says, or the credentials of a channel. Default false. */
  readonly isSecure?: boolean;
  /** Told of responses 1xx, by clients that tell of them. */
  readonly onInformation?: (status: number, headers: Headers) => void;
}

/** Header values by name in small letters. */
export type Headers = Readonly<Record<string, string>>;

/** A response whose head is there. */
export interface Exchange {
  /** gRPC codes are told as the HTTP status of the same meaning; an accepted WebSocket is 200. */
  readonly status: number;
  /** Undefined where the client does not show them. */
  readonly headers: Headers | undefined;
  /** Parts as they come, or the messages; throws what the client throws. */
  readonly messages: AsyncIterable<Buffer>;
  /** After the messages; undefined where the client does not show them. */
  trailers(): Headers | undefined;
  /** Gives the response up. */
  cancel(): void;
}

/** What came of a request. */
export type Outcome =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: Headers | undefined;
      readonly trailers: Headers | undefined;
      readonly body: Buffer;
    }
  | { readonly kind: 'failure'; readonly code: MeshErrorCode | undefined; readonly error: unknown };

/** A client that leads into a mesh. */
export interface OpenClient {
  /** The call that programs write first: the whole response, or what the client throws. */
  call(ask: Ask): Promise<Outcome>;
  /** The call with a response in parts. Rejects with what the client throws. */
  open(ask: Ask): Promise<Exchange>;
  close(): void;
}

/** Clients are alike in what they can say: see the reasons in the behaviours. */
export type ClientFamily = 'http' | 'rpc' | 'websocket';

/** A client library, and how it is given a mesh. */
export interface Client {
  readonly name: string;
  readonly family: ClientFamily;
  /** How a program writes it, for the reference page. */
  readonly written: string;
  over(mesh: Mesh): OpenClient;
}
