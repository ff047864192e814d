/** The server of the contract: what it does with a call is the call's own first message. It notes how each ended for it. */
import { once } from 'node:events';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import type { Talk } from '../../support/connect-service.ts';

/** What the server notes, in order; readers wait for it by {@link Notes.until}. */
export class Notes {
  private readonly lines: string[] = [];
  private readonly heard = new EventTarget();

  add(line: string): void {
    this.lines.push(line);
    this.heard.dispatchEvent(new Event('line'));
  }

  /** All lines, once there is one that begins so. */
  async until(start: string): Promise<readonly string[]> {
    while (!this.lines.some((line) => line.startsWith(start))) await once(this.heard, 'line');
    return this.lines;
  }

  count(start: string): number {
    return this.lines.filter((line) => line.startsWith(start)).length;
  }
}

/** Headers of requests and responses that the calls use. */
const own = (headers: Headers): string[] =>
  [...headers]
    .filter(([name]) => name.startsWith('x-'))
    .map(([name, value]) => `${name}=${value}`)
    .sort();

/** Resolves when the client has given up, and notes why. */
async function givenUp(context: HandlerContext, notes: Notes): Promise<void> {
  if (!context.signal.aborted) await once(context.signal, 'abort');
  notes.add(`given up: ${Code[ConnectError.from(context.signal.reason).code]}`);
}

function fail(command: string): never {
  const [, code, message = ''] = command.split(':');
  const error = new ConnectError(message, Code[code as keyof typeof Code], { 'x-why': 'because', 'x-why-bin': 'AAEC' }, [
    { desc: StringValueSchema, value: { value: 'a detail' } },
  ]);
  throw error;
}

/** The methods. */
export function talkAbout(notes: Notes): ServiceImpl<Talk> {
  return {
    async say({ value }, context) {
      notes.add(`said ${value.slice(0, 20)}`);
      if (value.startsWith('fail:')) fail(value);
      if (value === 'headers') {
        context.responseHeader.set('x-answer', 'yes');
        context.responseHeader.set('x-answer-bin', 'AAECAw');
        context.responseTrailer.set('x-end', 'over');
        return { value: own(context.requestHeader).join(' ') };
      }
      if (value === 'type') return { value: `${context.requestMethod} ${context.requestHeader.get('content-type')}` };
      if (value === 'time') return { value: context.timeoutMs() === undefined ? 'no deadline' : 'a deadline' };
      if (value === 'hang') {
        notes.add('hangs');
        await givenUp(context, notes);
      }
      if (value.startsWith('big:')) return { value: 'b'.repeat(Number(value.slice(4))) };
      return { value: value.length > 100 ? `${value.length} characters` : value };
    },
    look: ({ value }, context) => ({ value: `${context.requestMethod} ${value}` }),
    async *down({ value }, context) {
      notes.add(`down ${value}`);
      context.responseHeader.set('x-answer', 'stream');
      context.responseTrailer.set('x-end', 'stream over');
      if (value === 'nothing') return;
      yield { value: 'one' };
      yield { value: 'two' };
      if (value.startsWith('fail:')) fail(value);
      if (value === 'hang') await givenUp(context, notes);
      if (value.startsWith('flood:')) {
        const [, count, size] = value.split(':');
        for (let sent = 0; sent < Number(count); sent++) {
          notes.add('flood');
          yield { value: 'f'.repeat(Number(size)) };
        }
      }
    },
    async up(requests, context) {
      let all = '';
      for await (const { value } of requests) {
        notes.add(`up ${value.slice(0, 20)}`);
        if (value === 'enough') return { value: `${all} and no more` };
        if (value.startsWith('fail:')) fail(value);
        if (value === 'hang') await givenUp(context, notes);
        if (value.startsWith('slow')) await notes.until('go on');
        all += value.length > 100 ? `<${value.length}>` : value;
      }
      notes.add('up ended');
      return { value: all };
    },
    async *both(requests, context) {
      context.responseHeader.set('x-answer', 'both');
      if (context.requestHeader.get('x-first') === 'server') yield { value: 'server first' };
      for await (const { value } of requests) {
        notes.add(`both ${value}`);
        if (value === 'enough') return;
        if (value.startsWith('fail:')) fail(value);
        if (value === 'hang') await givenUp(context, notes);
        yield { value: value.toUpperCase() };
      }
      yield { value: 'bye' };
    },
  };
}
