import { AsyncResource } from 'node:async_hooks';
import type { Dispatcher } from 'undici';
import type { RequestFacts } from '../telemetry/request-span.ts';
import type { OriginEntry } from './live-config.ts';
import type { RequestView } from './routing/request-view.ts';
import type { DispatchOptions } from './send-options.ts';

/** Headers as the parser gave them. */
type RawHeaders = Exclude<Dispatcher.DispatchController['rawHeaders'], undefined>;

/**
 * The request of a call, as routing and telemetry read it, and what its handler reads of the controller. An AsyncResource, because
 * retries start in the context of a socket that may belong to another request.
 */
export abstract class CalledRequest extends AsyncResource implements RequestFacts {
  /** What the caller asked for; with the headers that it inherits, once it is known who gets them. */
  options: DispatchOptions;
  /** Where its origin leads; there before anything is read of the host. */
  entry: OriginEntry | undefined = undefined;

  paused = false;
  reason: Error | null = null;
  rawHeaders: RawHeaders = null;
  rawTrailers: RawHeaders = null;

  constructor(options: DispatchOptions) {
    super('MESHFETCH_REQUEST');
    this.options = options;
  }

  get aborted(): boolean {
    return this.reason !== null;
  }
  get method(): string {
    return this.options.method;
  }
  get scheme(): string {
    return this.entry!.scheme;
  }
  get host(): string {
    return this.entry!.host;
  }
  get port(): number {
    return this.entry!.port;
  }
  get authority(): string {
    return this.entry!.authority;
  }
  get path(): string {
    return this.options.path;
  }
  get headers(): RequestFacts['headers'] & RequestView['headers'] {
    return this.options.headers as RequestFacts['headers'] & RequestView['headers'];
  }
}
