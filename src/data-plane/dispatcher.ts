import { isError } from '../base/is-error.ts';
import { Dispatcher, Dispatcher1Wrapper } from 'undici';
import { MeshError } from '../base/errors.ts';
import { CallList } from './call-list.ts';
import { ClusterDispatcher } from './cluster-dispatcher.ts';
import { Call } from './outbound.ts';
import type { CallContext, OutboundContext } from './outbound-context.ts';
import { SilenceWatch } from './resilience/silence.ts';
import { checkTaker, readable, unreadable } from './request-shape.ts';
import type { DispatchOptions } from './send-options.ts';

/** Node's built-in fetch of Node 24 hands over handlers of undici's older interface; undici's types do not know the converter. */
const { wrapHandler } = Dispatcher1Wrapper as unknown as {
  readonly wrapHandler: (this: void, handler: object) => Dispatcher.DispatchHandler;
};

/** The door of undici: every request becomes a {@link Call}. No `#private` fields, because `compose()` wraps it in a Proxy. */
export class OutboundDispatcher extends Dispatcher {
  private readonly context: CallContext;
  private readonly calls = new CallList();
  private isClosed = false;

  constructor(context: OutboundContext) {
    super();
    this.context = { ...context, calls: this.calls, silence: new SilenceWatch(context.clock, context.loop, this.calls) };
  }

  override dispatch(options: DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const receiver = wrapHandler(handler);
    let call: Call;
    try {
      call = new Call(this.context, readable(options), receiver);
      if (options.upgrade || options.method === 'CONNECT') checkTaker(handler, receiver);
    } catch (error) {
      new Call(this.context, options, receiver).refuse(unreadable(error));
      return true;
    }
    if (this.isClosed) call.refuse(new MeshError('MESH_CLOSED', 'the mesh was closed; make requests before close()'));
    else call.start();
    return true;
  }

  /** The way to one cluster past routing, for requests of the mesh's own. Calls of it count among those of this dispatcher. */
  toCluster(source: string, cluster: string): Dispatcher {
    return new ClusterDispatcher(this.context, source, cluster, () => this.isClosed);
  }

  /** Refuses new requests, and resolves when those under way are over. */
  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | void {
    this.isClosed = true;
    const drained = this.calls.empty();
    if (callback === undefined) return drained;
    void drained.then(callback);
  }

  /** Breaks off what is under way with `error`. */
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(callback: () => void): void;
  override destroy(error?: Error | null): Promise<void>;
  override destroy(error?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    this.isClosed = true;
    this.calls.failAll(
      isError(error) ? error : new MeshError('MESH_CLOSED', 'the mesh was destroyed while the request was under way'),
    );
    const done = typeof error === 'function' ? error : callback;
    if (done === undefined) return Promise.resolve();
    queueMicrotask(done);
  }
}
