/** Aborts at every phase. The peer says when a phase is reached; nothing waits for time. */
import type { Run, Scenario } from '../scenario.ts';

type Fetch = typeof globalThis.fetch;
type Phase = (fetch: Fetch, run: Run, abort: (reason?: unknown) => void, signal: AbortSignal) => Promise<unknown>;

const settled = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    return { value: await work };
  } catch (error) {
    return { rejected: error };
  }
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const phases: Record<string, Phase> = {
  'before-the-call': async (fetch, run, abort, signal) => {
    abort();
    return settled(fetch(run.url('echo'), { signal }));
  },
  'before-the-call-with-wrong-init': async (fetch, run, abort, signal) => {
    abort();
    return settled(fetch(run.url('echo'), { signal, method: 'A B' }));
  },
  'right-after-the-call': async (fetch, run, abort, signal) => {
    const pending = fetch(run.url('hold'), { signal });
    abort();
    const result = await settled(pending);
    run.peer.seen.delete(run.id);
    return result;
  },
  'while-waiting-for-the-head': async (fetch, run, abort, signal) => {
    const pending = fetch(run.url('hold'), { signal });
    await run.peer.arrived(run.id);
    abort();
    return settled(pending);
  },
  'while-sending-bytes': async (fetch, run, abort, signal) => {
    const pending = fetch(run.url('hold'), { method: 'POST', body: Buffer.alloc(100_000), signal });
    await run.peer.arrived(run.id);
    abort();
    const result = await settled(pending);
    run.peer.seen.delete(run.id);
    return result;
  },
  'after-the-head-unread': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('hold-after-head'), { signal });
    abort();
    return [response.status, response.bodyUsed, await settled(response.text())];
  },
  'while-reading-text': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('hold-after-chunk'), { signal });
    const reading = response.text();
    await turn();
    abort();
    return settled(reading);
  },
  'while-reading-gzip': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('hold-after-gzip'), { signal });
    const reading = response.json();
    await turn();
    abort();
    return settled(reading);
  },
  'while-reading-the-stream': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('hold-after-chunk'), { signal });
    const reader = response.body!.getReader();
    const first = await settled(reader.read().then(({ value }) => Buffer.from(value ?? []).toString()));
    const second = settled(reader.read());
    await turn();
    abort();
    return [first, await second, await settled(reader.closed), await settled(reader.read())];
  },
  'stream-open-and-idle': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('hold-after-chunk'), { signal });
    const reader = response.body!.getReader();
    abort();
    return [await settled(reader.closed), response.bodyUsed];
  },
  'arrived-but-unread': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('json-length'), { signal });
    await turn();
    abort();
    return [await settled(response.text()), response.bodyUsed, response.status];
  },
  'arrived-but-unread-stream': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('json-length'), { signal });
    await turn();
    abort();
    return settled(response.body!.getReader().read());
  },
  'arrived-with-the-stream-open': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('json-length'), { signal });
    await turn();
    const reader = response.body!.getReader();
    abort();
    return [await settled(reader.closed), await settled(response.clone === undefined ? reader.read() : reader.read())];
  },
  'right-behind-text': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('json-length'), { signal });
    await turn();
    const reading = response.text();
    abort();
    return settled(reading);
  },
  'after-text': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('json'), { signal });
    const text = await response.text();
    abort();
    return [text.length, response.bodyUsed, await settled(response.text())];
  },
  'after-stream-end': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('json'), { signal });
    const reader = response.body!.getReader();
    while (!(await reader.read()).done);
    abort();
    return [await settled(reader.closed), await settled(reader.read())];
  },
  'null-body': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('status?code=204'), { signal });
    abort();
    return settled(response.text());
  },
  'clone-open': async (fetch, run, abort, signal) => {
    const response = await fetch(run.url('hold-after-chunk'), { signal });
    const copy = response.clone();
    abort();
    return [await settled(response.text()), await settled(copy.text())];
  },
};

const reasons: Record<string, readonly unknown[]> = {
  'no-reason': [],
  'own-error': [new RangeError('mine')],
  string: ['a string'],
  null: [null],
  zero: [0],
  undefined: [undefined],
};

function scenario(phase: string, reason: string): Scenario {
  return {
    name: `abort-${phase}-${reason}`,
    input: '',
    act: async (fetch, run) => {
      const controller = new AbortController();
      const given = reasons[reason]!;
      const abort = (): void => (given.length === 0 ? controller.abort() : controller.abort(given[0]));
      const result = await phases[phase]!(fetch, run, abort, controller.signal);
      return { result, identical: isSame(result, controller.signal.reason) };
    },
  };
}

/** Whether what a promise was rejected with is the very reason of the signal. */
function isSame(result: unknown, reason: unknown): boolean {
  return Array.isArray(result)
    ? result.some((each) => isSame(each, reason))
    : typeof result === 'object' && result !== null && Reflect.get(result, 'rejected') === reason;
}

export const abortScenarios: readonly Scenario[] = [
  ...Object.keys(phases).flatMap((phase) => ['no-reason', 'own-error'].map((reason) => scenario(phase, reason))),
  ...['string', 'null', 'zero', 'undefined'].flatMap((reason) =>
    ['before-the-call', 'while-waiting-for-the-head', 'after-the-head-unread', 'while-reading-text', 'arrived-but-unread'].map(
      (phase) => scenario(phase, reason),
    ),
  ),
  {
    name: 'abort-by-timeout-signal',
    input: '',
    act: async (fetch, run) => {
      const result = await settled(fetch(run.url('hold'), { signal: AbortSignal.timeout(1) }));
      // It may or may not have been sent by then.
      run.peer.seen.delete(run.id);
      return result;
    },
  },
  {
    name: 'abort-by-any-of-signals',
    input: '',
    act: async (fetch, run) => {
      const controller = new AbortController();
      const pending = fetch(run.url('hold'), { signal: AbortSignal.any([controller.signal, new AbortController().signal]) });
      await run.peer.arrived(run.id);
      controller.abort('any');
      return settled(pending);
    },
  },
  {
    name: 'abort-signal-already-aborted-static',
    input: 'echo',
    makeInit: () => ({ signal: AbortSignal.abort('static') }),
  },
  {
    name: 'abort-stream-body',
    lean: false,
    input: '',
    act: async (fetch, run) => {
      const controller = new AbortController();
      let cancelled: unknown = 'not';
      const body = new ReadableStream({
        start: (stream) => stream.enqueue(Buffer.from('part')),
        cancel: (reason) => void (cancelled = reason),
      });
      const pending = fetch(run.url('hold'), { method: 'POST', body, duplex: 'half', signal: controller.signal });
      await run.peer.arrived(run.id);
      controller.abort(new Error('enough'));
      const result = await settled(pending);
      run.peer.seen.delete(run.id);
      return [result, cancelled === controller.signal.reason];
    },
  },
];
