/**
 * One stream that stands: each response is checked and answered before the next one is read. A server that sends the same refused
 * version again and again gets its NACKs later and later, or both sides would do nothing else; a change of names sends the NACK at once.
 */
import { reconnectBackoff } from '../../../base/backoff.ts';
import type { Clock, Random, Timer } from '../../../base/runtime.ts';
import type { GrpcStream } from '../../../wire/grpc-client.ts';
import type { ReceivedResource, RefusedResource, TypeUrl } from './contract.ts';
import { refusalText } from './discovery-requests.ts';
import type { DiscoveryResponse } from './discovery-responses.ts';
import type { StreamProtocol } from './stream-protocol.ts';

/** What a check found. */
export interface CheckedResponse {
  readonly accepted: readonly ReceivedResource[];
  readonly refused: readonly RefusedResource[];
}

/** What a stream needs. */
export interface StreamHost {
  readonly clock: Clock;
  readonly random: Random;
  /** The server has been asked for resources of the kind, over a connection that stands. */
  onAsked(typeUrl: TypeUrl): void;
  /** Checks the resources; gives what was accepted and why the rest was not. */
  check(response: DiscoveryResponse): Promise<CheckedResponse>;
}

/** A NACK that is held back. */
interface HeldAnswer {
  readonly timer: Timer;
  send(): void;
}

/** NACKs of one version in a row that are sent at once. */
const promptRefusals = 2;
/** A server of the state of the world can send a correction only once it has the NACK: so long it waits at most. */
const maxRefusalDelayMs = 2000;

/** A stream, from its first request to its end. */
export class ServerStream {
  private readonly stream: GrpcStream;
  private readonly protocol: StreamProtocol;
  private readonly host: StreamHost;
  private isOpen = false;
  private isLeft = false;
  private readonly asked = new Set<TypeUrl>();
  private readonly answered = new Set<TypeUrl>();
  /** It was ended so that another one begins. */
  isRenewed = false;
  private readonly held = new Map<TypeUrl, HeldAnswer>();
  /** Of each kind, the version that was refused last, and how often in a row. */
  private readonly refusals = new Map<TypeUrl, { readonly version: string; readonly count: number }>();

  constructor(stream: GrpcStream, protocol: StreamProtocol, host: StreamHost) {
    this.stream = stream;
    this.protocol = protocol;
    this.host = host;
  }

  /** The connection stands: what was asked for is on its way. */
  opened(): void {
    this.isOpen = true;
    for (const typeUrl of this.asked) this.host.onAsked(typeUrl);
  }

  /** It is over, or nobody listens any more. */
  leave(): void {
    this.isLeft = true;
    for (const { timer } of this.held.values()) timer.cancel();
    this.held.clear();
  }

  /** Tells the server what is wanted of the kind, unless it knows. */
  ask(typeUrl: TypeUrl): void {
    const held = this.held.get(typeUrl);
    if (held === undefined) this.tell(typeUrl);
    else held.send();
  }

  lose(typeUrl: TypeUrl, name: string): void {
    this.protocol.lose(typeUrl, name);
  }

  /** Ends the stream when the kind was asked for and the server has not spoken of it: what is in use can be told at the start only. */
  renew(typeUrl: TypeUrl): void {
    if (this.isLeft || !this.asked.has(typeUrl) || this.answered.has(typeUrl)) return;
    this.isRenewed = true;
    this.stream.cancel();
  }

  /** What was left and is wanted again takes a request without it and one with it. */
  private tell(typeUrl: TypeUrl): void {
    let request = this.protocol.request(typeUrl);
    while (request !== undefined) {
      this.send(typeUrl, request);
      request = this.protocol.request(typeUrl);
    }
  }

  /** Has the response checked, and answers it. */
  async take(response: DiscoveryResponse): Promise<void> {
    const { protocol } = this;
    const { typeUrl } = response;
    this.answered.add(typeUrl);
    // A NACK that was held back is of a response that is not the latest any more.
    this.held.get(typeUrl)?.timer.cancel();
    this.held.delete(typeUrl);
    if (!protocol.receive(response)) {
      this.send(typeUrl, protocol.dismiss(response));
      return;
    }
    const { accepted, refused } = await this.host.check(response);
    protocol.checked(response, accepted);
    const error = refusalText(refused);
    const answer = (): void => {
      this.send(typeUrl, protocol.answer(response, error));
      this.tell(typeUrl);
    };
    const waitMs = error === undefined ? this.accept(typeUrl) : this.refuse(typeUrl, response.version);
    if (waitMs === 0 || this.isLeft) answer();
    else this.hold(typeUrl, waitMs, answer);
  }

  private accept(typeUrl: TypeUrl): number {
    this.refusals.delete(typeUrl);
    return 0;
  }

  /** How long the NACK waits. */
  private refuse(typeUrl: TypeUrl, version: string): number {
    const last = this.refusals.get(typeUrl);
    const count = last?.version === version ? last.count + 1 : 1;
    this.refusals.set(typeUrl, { version, count });
    return count <= promptRefusals ? 0 : reconnectBackoff(count - promptRefusals, this.host.random, 1000, maxRefusalDelayMs);
  }

  private hold(typeUrl: TypeUrl, waitMs: number, answer: () => void): void {
    const send = (): void => {
      timer.cancel();
      this.held.delete(typeUrl);
      answer();
    };
    const timer = this.host.clock.setTimer(send, waitMs);
    this.held.set(typeUrl, { timer, send });
  }

  private send(typeUrl: TypeUrl, request: Uint8Array | undefined): void {
    if (request === undefined || this.isLeft) return;
    this.stream.send(request);
    this.asked.add(typeUrl);
    if (this.isOpen) this.host.onAsked(typeUrl);
  }
}
