import { Catch, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { failureAnswer, meshErrorIn } from '../failure-answer.ts';

/**
 * Turns a MeshError of a call that a handler made into its status (503, 504 …) without a word of what is inside the mesh; every other
 * exception is Nest's. Bind it with `APP_FILTER`, or `app.useGlobalFilters(app.get(MeshExceptionFilter))`.
 */
export class MeshExceptionFilter extends BaseExceptionFilter implements ExceptionFilter {
  private readonly host: HttpAdapterHost;

  constructor(host: HttpAdapterHost) {
    super(host.httpAdapter);
    this.host = host;
  }

  override catch(exception: unknown, host: ArgumentsHost): void {
    const failure = host.getType() === 'http' ? meshErrorIn(exception) : undefined;
    const { httpAdapter } = this.host;
    const response: unknown = host.getArgByIndex(1);
    if (failure === undefined || httpAdapter.isHeadersSent(response)) {
      // oxlint-disable-next-line promise/valid-params -- it is the method of Nest
      super.catch(exception, host);
      return;
    }
    const { status, headers, body } = failureAnswer(failure);
    for (const [name, value] of Object.entries(headers)) httpAdapter.setHeader(response, name, value);
    httpAdapter.reply(response, body, status);
  }
}
Catch()(MeshExceptionFilter);
Inject(HttpAdapterHost)(MeshExceptionFilter, undefined, 0);
