import type { CorsConfig } from '../../../../model/policy.ts';
import type { Message } from '../message.ts';
import { runtimeFractionFrom, stringMatcherFrom, valueOrNote } from '../string-matcher.ts';

/** Reads a `CorsPolicy`; false when it is switched off. An origin that cannot be told is left out: it is not allowed then. */
export function corsFrom(message: Message): CorsConfig | false {
  const enabled = message.message('filter_enabled');
  const share = enabled && runtimeFractionFrom(enabled);
  const shadow = message.message('shadow_enabled');
  if (shadow !== undefined) {
    runtimeFractionFrom(shadow);
    message.note('shadow_enabled', 'nothing is evaluated without effect');
  }
  const origins = message
    .messages('allow_origin_string_match')
    .flatMap((origin) => valueOrNote(stringMatcherFrom(origin), origin) ?? []);
  const list = (name: string): readonly string[] =>
    (message.text(name) ?? '')
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  const [allowMethods, allowHeaders, exposeHeaders] = [list('allow_methods'), list('allow_headers'), list('expose_headers')];
  const maxAge = message.name('max_age');
  const seconds = maxAge === undefined ? undefined : Number(maxAge);
  if (seconds !== undefined && !Number.isInteger(seconds)) message.problem('max_age', 'must be a whole number of seconds');
  const allowCredentials = message.flag('allow_credentials');
  for (const name of ['allow_private_network_access', 'forward_not_matching_preflights'] as const)
    if (message.has(name)) message.note(name, 'preflight requests are answered by allowed origins, methods and headers alone');
  if (share !== undefined && share.numerator === 0) return false;
  if (share !== undefined && share.numerator < share.denominator)
    message.note('filter_enabled', 'a share of the requests is not chosen: it holds for all of them');
  return {
    allowOrigins: origins,
    ...(allowMethods.length > 0 && { allowMethods }),
    ...(allowHeaders.length > 0 && { allowHeaders }),
    ...(exposeHeaders.length > 0 && { exposeHeaders }),
    ...(seconds !== undefined && Number.isInteger(seconds) && seconds >= 0 && { maxAgeMs: seconds * 1000 }),
    ...(allowCredentials !== undefined && { allowCredentials }),
  };
}
