/**
 * The other path of a fetch: Node’s own, captured when this module is loaded (the program may later put ours in its place), with the
 * dispatcher given call by call. It serves whatever the lean path does not, with Node’s own behaviour and errors.
 */
import {
  Dispatcher,
  Dispatcher1Wrapper,
  fetch as undiciFetch,
  FormData as UndiciFormData,
  Request as UndiciRequest,
} from 'undici';
import { headersWithout, isPlainObject } from './lean-headers.ts';
import { identityHeaders } from './redirect.ts';

/** fetch of the running Node. */
export const nodeFetch = globalThis.fetch;
/** Missing in undici’s types. */
const { wrapHandler } = Dispatcher1Wrapper as unknown as {
  wrapHandler(this: void, handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler;
};
const identity = new Set(identityHeaders);

/** Node’s fetch over `dispatcher`. Requests and forms made by undici’s own classes go to undici’s fetch: Node’s would misread them. */
export function fetchOverNode(dispatcher: Dispatcher, input: unknown, init: unknown): Promise<Response> {
  try {
    const given = withDispatcher(init, dispatcher, input);
    if (input instanceof UndiciRequest || (isObject(init) && init['body'] instanceof UndiciFormData))
      return undiciFetch(input as string, given as object) as Promise<unknown> as Promise<Response>;
    return nodeFetch(input as string, given as RequestInit);
  } catch (error) {
    // Only reading `init` can throw; fetch answers by a rejection.
    return Promise.reject(error);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** `init` with the dispatcher in it. A dispatcher that the caller chose stays; undici's newer ones are made to work with Node's fetch. */
function withDispatcher(init: unknown, dispatcher: Dispatcher, input: unknown): unknown {
  if (init === undefined || init === null) return { dispatcher: new CallDispatcher(dispatcher, input) };
  if (!isObject(init)) return init;
  const chosen = init['dispatcher'];
  if (chosen !== undefined && !(chosen instanceof Dispatcher)) return init;
  const over = new CallDispatcher(chosen ?? dispatcher, input);
  if (isPlainObject(init)) return { ...init, dispatcher: over };
  // An object of a class, such as a Request, has its members on the prototype, and some insist on the true `this`.
  return new Proxy(init, {
    get: (target, key) => (key === 'dispatcher' ? over : (Reflect.get(target, key, target) as unknown)),
  });
}

/**
 * A dispatcher for one call. Node's fetch hands over handlers of the older form, which undici 8 refuses unless wrapped; and it knows
 * nothing of identity headers, which are dropped here once a redirect has led to another origin.
 */
class CallDispatcher {
  private readonly dispatcher: Dispatcher;
  /**
   * What fetch was called with, kept as long as the call: a `Request` that is collected takes the way of its signal along, and the body
   * could not be aborted any more (so it is with Node's own fetch).
   */
  readonly input: unknown;
  private origin: string | undefined = undefined;
  private crossOrigin = false;

  constructor(dispatcher: Dispatcher, input: unknown) {
    this.dispatcher = dispatcher;
    this.input = input;
  }

  /** Read by fetch: a MockAgent wants the body unserialised. */
  get isMockActive(): unknown {
    return (this.dispatcher as { isMockActive?: unknown }).isMockActive;
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const origin = String(options.origin);
    this.origin ??= origin;
    if (origin !== this.origin) this.crossOrigin = true;
    const sent = this.crossOrigin ? { ...options, headers: withoutIdentity(options.headers) } : options;
    return this.dispatcher.dispatch(sent, wrapHandler(handler));
  }
}

/** fetch gives the headers as a record of names as the caller wrote them. */
function withoutIdentity(headers: Dispatcher.DispatchOptions['headers']): string[] | Record<string, string> {
  if (Array.isArray(headers)) return headersWithout(headers, identity);
  const kept = Object.entries(headers ?? {}).filter(([name]) => !identity.has(name.toLowerCase()));
  return Object.fromEntries(kept) as Record<string, string>;
}
