import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Call } from './outbound.ts';

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

/**
 * What a call hands on when its attempts do not serve it: a request that the mesh does not route goes through the global dispatcher
 * that the program had set (a proxy agent, a mock), a redirected one through a call of its own. The handler keeps the controller it
 * already has.
 */
export class PassThrough implements Dispatcher.DispatchHandler {
  private readonly call: Call;

  constructor(call: Call) {
    this.call = call;
  }

  dispatch(dispatcher: Dispatcher): void {
    dispatcher.dispatch(this.call.options, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.call.attach(controller);
  }

  onResponseStarted(): void {
    this.call.handler.onResponseStarted?.();
  }

  onBodySent(chunk: Buffer): void {
    this.call.handler.onBodySent?.(chunk);
  }

  onRequestSent(): void {
    this.call.handler.onRequestSent?.();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers, message?: string): void {
    this.call.rawHeaders = controller.rawHeaders ?? null;
    this.call.handler.onResponseStart?.(this.call, status, headers, message);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.call.isSettled) return;
    this.call.handler.onResponseData?.(this.call, chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: Headers): void {
    if (this.call.isSettled) return;
    this.call.rawTrailers = controller.rawTrailers ?? null;
    this.call.succeed({});
    this.call.handler.onResponseEnd?.(this.call, trailers);
  }

  onRequestUpgrade(controller: Dispatcher.DispatchController, status: number, headers: Headers, socket: Duplex): void {
    this.call.rawHeaders = controller.rawHeaders ?? null;
    this.call.succeed({});
    this.call.handler.onRequestUpgrade?.(this.call, status, headers, socket);
  }

  /** The error is not the mesh's: it passes untouched. */
  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.call.fail(error);
  }
}
