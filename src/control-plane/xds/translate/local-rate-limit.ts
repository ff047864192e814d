import type { LocalRateLimitConfig } from '../../../model/policy.ts';
import type { Fraction } from '../../../model/match.ts';
import type { Surroundings } from './format.ts';
import { additionsFrom } from './header-mutation.ts';
import { httpStatusFrom } from './http-status-code.ts';
import type { Message } from './message.ts';
import { runtimeFractionFrom } from './string-matcher.ts';

/** Reads a `LocalRateLimit`; undefined when it lets everything pass, as it does until it is enabled and enforced. */
export function rateLimitFrom(message: Message, surroundings: Surroundings): LocalRateLimitConfig | undefined {
  message.skip('stat_prefix');
  const bucket = message.message('token_bucket');
  // Below 400 Envoy takes 429.
  const code = httpStatusFrom(message.message('status'));
  const responseHeaders = additionsFrom(message.messages('response_headers_to_add'), surroundings);
  const enabled = share(message, 'filter_enabled');
  const enforced = share(message, 'filter_enforced');
  if (bucket === undefined) return undefined; // Envoy: without a bucket nothing is limited
  const maxTokens = bucket.whole('max_tokens', 1);
  const tokensPerFill = bucket.whole('tokens_per_fill', 1) ?? 1;
  const fillIntervalMs = bucket.durationMs('fill_interval');
  if (maxTokens === undefined) bucket.problem('max_tokens', 'must be at least 1');
  if (fillIntervalMs === undefined) bucket.problem('fill_interval', 'must be a duration');
  else if (fillIntervalMs < 50) bucket.problem('fill_interval', 'must be at least 0.05s, as in Envoy');
  if (enabled === 'none' || enforced === 'none') return undefined;
  for (const [name, value] of [
    ['filter_enabled', enabled],
    ['filter_enforced', enforced],
  ] as const) {
    if (value !== 'part') continue;
    message.note(name, 'a limit for a share of the requests is not carried out; none is limited');
    return undefined;
  }
  return {
    maxTokens: maxTokens ?? 1,
    tokensPerFill,
    fillIntervalMs: fillIntervalMs ?? 1000,
    ...(code !== undefined && code >= 400 && { status: code }),
    ...(responseHeaders !== undefined && { responseHeaders }),
  };
}

function share(message: Message, name: string): 'all' | 'part' | 'none' {
  const field = message.message(name);
  if (field === undefined) return 'none';
  const { numerator, denominator }: Fraction = runtimeFractionFrom(field);
  if (numerator === 0) return 'none';
  return numerator === denominator ? 'all' : 'part';
}
