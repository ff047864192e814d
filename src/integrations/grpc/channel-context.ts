import type { Dispatcher } from 'undici';
import type { Grpc } from './grpc-js.ts';
import type { CallNote } from './pickers.ts';

/** What the calls of a channel have in common. */
export interface ChannelContext {
  readonly grpc: Grpc;
  readonly dispatcher: Dispatcher;
  /** Scheme, host and port: whom the mesh is asked for. */
  readonly origin: string;
  /** As the `:authority` of that origin. */
  readonly authority: string;
  readonly userAgent: string;
  /** Longest message that is taken; -1 = any. */
  readonly maxReceiveBytes: number;
  /** Call credentials may travel in plaintext: the program has asked for an insecure channel. */
  readonly allowsPlaintextCredentials: boolean;
  /** Calls that wait until somebody can take them. */
  wait(failures: number, again: () => void): { cancel(): void };
}

/** How a call leaves, beside its metadata. */
export interface CallStart extends CallNote {
  readonly authority: string;
  readonly method: string;
  /** Of grpc-js's log. */
  readonly number: number;
  /** It waits until somebody can take it. Source: gRPC, "Wait for Ready". */
  readonly waitsForReady: boolean;
}
