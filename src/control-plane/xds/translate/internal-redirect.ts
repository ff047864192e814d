/** Redirects that are followed on behalf of the caller (`config.route.v3.InternalRedirectPolicy`). */
import type { InternalRedirectConfig } from '../../../model/internal-redirect.ts';
import type { Message } from './message.ts';
import { extensionOf } from './typed-message.ts';

const statuses: readonly number[] = [301, 302, 303, 307, 308];

/** Reads an `InternalRedirectPolicy`. With a predicate that is not known nothing is followed. */
export function internalRedirectFrom(message: Message): InternalRedirectConfig {
  const maxRedirects = message.whole('max_internal_redirects');
  const codes = message.list('redirect_response_codes');
  if (codes.length > 5) message.problem('redirect_response_codes', 'must have at most 5 codes');
  for (const code of codes) {
    if (!statuses.includes(code as number))
      message.note('redirect_response_codes', `${String(code)} is none of ${statuses.join(', ')} and is ignored, as in Envoy`);
  }
  const copied = message.texts('response_headers_to_copy').map((name) => name.toLowerCase());
  const mayCross = message.flag('allow_cross_scheme_redirect') === true;
  const { isSafe, isKnown, ...predicates } = predicatesFrom(message);
  return {
    maxRedirects: isKnown ? (maxRedirects ?? 1) : 0,
    ...(codes.length > 0 && { statuses: codes.filter((code): code is number => statuses.includes(code as number)) }),
    ...(mayCross && { crossScheme: isSafe ? ('safe' as const) : ('always' as const) }),
    ...(copied.length > 0 && { responseHeadersToCopy: copied }),
    ...predicates,
  };
}

function predicatesFrom(message: Message) {
  let isSafe = false;
  let isKnown = true;
  let allowed: readonly string[] | undefined;
  let avoidPreviousRoutes = false;
  for (const predicate of message.messages('predicates')) {
    const config = predicate.any('typed_config');
    switch (extensionOf(predicate, config)) {
      case 'previous_routes':
        avoidPreviousRoutes = true;
        break;
      case 'safe_cross_scheme':
        isSafe = true;
        break;
      case 'allow_listed_routes': {
        const names = config?.message.texts('allowed_route_names') ?? [];
        // Each predicate has to accept.
        allowed = allowed === undefined ? names : names.filter((name) => allowed!.includes(name));
        break;
      }
      default:
        isKnown = false;
        predicate.note('name', 'is no predicate of redirects that is known here: redirects are not followed');
    }
  }
  return {
    isSafe,
    isKnown,
    ...(avoidPreviousRoutes && { avoidPreviousRoutes }),
    ...(allowed !== undefined && { allowedRoutes: allowed }),
  };
}
