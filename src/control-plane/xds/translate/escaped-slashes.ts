import type { PathNormalizationConfig } from '../../../model/listener.ts';
import type { Message } from './message.ts';

const words = {
  IMPLEMENTATION_SPECIFIC_DEFAULT: 'keep',
  KEEP_UNCHANGED: 'keep',
  REJECT_REQUEST: 'reject',
  UNESCAPE_AND_REDIRECT: 'redirect',
  UNESCAPE_AND_FORWARD: 'unescape',
} as const;

/** What a connection manager does to `%2F` and `%5C` in paths; what is not said is `keep`, as in Envoy. */
export function escapedSlashesOf(manager: Message): PathNormalizationConfig['escapedSlashes'] {
  const action = manager.choice('path_with_escaped_slashes_action', [
    'IMPLEMENTATION_SPECIFIC_DEFAULT',
    'KEEP_UNCHANGED',
    'REJECT_REQUEST',
    'UNESCAPE_AND_REDIRECT',
    'UNESCAPE_AND_FORWARD',
  ]);
  return words[action ?? 'KEEP_UNCHANGED'];
}
