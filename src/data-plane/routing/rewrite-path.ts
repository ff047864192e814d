/** Rewrites of the path. The query stays as it is. Source: Envoy's `prefix_rewrite`, `regex_rewrite` and `path_rewrite_policy`. */
import type { PathMatcher } from '../../model/match.ts';
import type { PathRewrite } from '../../model/route.ts';
import { compileTemplateRewrite } from './path-template.ts';
import { pathOnly } from './request-view.ts';
import { compileSubstitution } from './substitution.ts';

/** The new path of a request that the route matched; both have their query. Undefined = the path stays. */
export type PathEdit = (path: string) => string | undefined;

/**
 * Compiles a rewrite for requests that `match` has matched. What a prefix rewrite replaces is the prefix of the match, and the whole
 * path where that matches whole paths.
 */
export function compilePathEdit(rewrite: PathRewrite | undefined, match: PathMatcher | undefined): PathEdit | undefined {
  if (rewrite === undefined) return undefined;
  if (rewrite.kind === 'full') return onPathOnly(() => rewrite.path);
  if (rewrite.kind === 'regex') return onPathOnly(compileSubstitution(rewrite.regex, rewrite.substitution));
  if (rewrite.kind === 'template')
    return match?.kind === 'template' ? onPathOnly(compileTemplateRewrite(match.value, rewrite.template)) : undefined;
  const { prefix } = rewrite;
  // Envoy takes an empty one for none.
  if (prefix === '') return undefined;
  const matched = match === undefined || match.kind === 'prefix' || match.kind === 'segment-prefix' ? prefixLength(match) : -1;
  if (matched === -1) return onPathOnly(() => prefix);
  return (path) => prefix + path.slice(matched);
}

function prefixLength(match: Extract<PathMatcher, { kind: 'prefix' | 'segment-prefix' }> | undefined): number {
  if (match === undefined) return 0;
  const { value } = match;
  return match.kind === 'segment-prefix' && value.endsWith('/') ? value.length - 1 : value.length;
}

function onPathOnly(edit: (path: string) => string | undefined): PathEdit {
  return (path) => {
    const only = pathOnly(path);
    const edited = edit(only);
    // A pattern that leaves nothing of the path rewrites nothing (Envoy).
    return edited === undefined || edited === '' ? undefined : edited + path.slice(only.length);
  };
}
