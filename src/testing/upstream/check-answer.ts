/** Scripts of a fake upstream are checked when they are given: what nobody knows would be left out in silence, and a test pass by it. */
import { checkKeys, type Keys } from '../known-keys.ts';
import type { FakeUpstreamOptions } from './fake-upstream.ts';
import type { UpstreamProtocol } from './upstream-port.ts';
import type { UpstreamAnswer, UpstreamFault, UpstreamMatch, UpstreamReply } from './upstream-reply.ts';

const optionKeys: Keys<FakeUpstreamOptions> = {
  name: true,
  reply: true,
  protocol: true,
  tls: true,
  port: true,
  clock: true,
  http2: true,
  handler: true,
  upgrade: true,
};

const replyKeys: Keys<UpstreamReply> = {
  status: true,
  headers: true,
  body: true,
  json: true,
  grpc: true,
  trailers: true,
  interim: true,
  delayMs: true,
  bodyDelayMs: true,
  isEarly: true,
  fault: true,
  resetCode: true,
};

const matchKeys: Keys<UpstreamMatch> = { method: true, path: true, headers: true };

const faults: Readonly<Record<UpstreamFault, true>> = {
  hang: true,
  'hang-after-head': true,
  reset: true,
  'reset-after-head': true,
  'close-early': true,
  'stream-reset': true,
  'stream-reset-after-head': true,
  'refused-stream': true,
  'go-away': true,
  'go-away-refusing': true,
  garbage: true,
};

const protocols: Readonly<Record<UpstreamProtocol, true>> = { http1: true, http2: true, both: true };

/** Throws a TypeError or RangeError for options that are wrong. */
export function checkOptions(options: FakeUpstreamOptions): void {
  checkKeys('fakeUpstream()', options, optionKeys);
  checkOneOf('protocol', options.protocol, protocols);
  if (options.reply !== undefined) checkAnswer(options.reply);
}

/** Throws a TypeError or RangeError for what is no answer. What a function gives is looked at when it is there. */
export function checkAnswer(answer: UpstreamAnswer): void {
  if (typeof answer === 'function') return;
  if (typeof answer !== 'number') {
    checkKeys('the reply of a fake upstream', answer, replyKeys);
    checkOneOf('fault', answer.fault, faults);
  }
  const status = typeof answer === 'number' ? answer : answer.status;
  if (status !== undefined && !(Number.isInteger(status) && status >= 200 && status <= 999))
    throw new RangeError(`the status of a reply is 200…999, not ${String(status)}`);
}

/** Throws a TypeError for what matches in a way that nobody knows. */
export function checkMatch(match: UpstreamMatch | ((request: never) => boolean)): void {
  if (typeof match !== 'function') checkKeys('what a reply is for', match, matchKeys);
}

function checkOneOf(what: string, given: string | undefined, known: Readonly<Record<string, true>>): void {
  if (given !== undefined && !Object.hasOwn(known, given))
    throw new TypeError(`the ${what} is one of ${Object.keys(known).join(', ')}, not "${given}"`);
}
