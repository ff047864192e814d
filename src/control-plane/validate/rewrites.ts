/** Checks of what a request is changed to on its way: path, host, and where a redirect leads. */
import { partsOfRewriteTemplate, patternFromPathTemplate } from '../../base/path-template.ts';
import { compilePattern, isPatternEngineLoaded } from '../../base/pattern.ts';
import type { PathMatcher } from '../../model/match.ts';
import type { HostRewrite, PathRewrite, RedirectAction } from '../../model/route.ts';
import { printed, type Check } from './check.ts';
import { substitutionFault } from './substitution.ts';

/** Checks a new path for requests whose path `match` has matched. */
export function checkPathRewrite(check: Check, rewrite: PathRewrite, match: PathMatcher | undefined): void {
  check.oneOf('kind', rewrite.kind ?? 'nothing', ['full', 'prefix', 'regex', 'template']);
  if (rewrite.kind === 'full') check.path('path', rewrite.path);
  // Envoy takes an empty one for none.
  else if (rewrite.kind === 'prefix' && rewrite.prefix !== '') check.path('prefix', rewrite.prefix);
  else if (rewrite.kind === 'regex') checkRegexRewrite(check, rewrite);
  else if (rewrite.kind === 'template') checkTemplateRewrite(check, rewrite.template, match);
}

function checkTemplateRewrite(check: Check, template: unknown, match: PathMatcher | undefined): void {
  if (!check.text('template', template)) return;
  try {
    const parts = partsOfRewriteTemplate(template);
    if (match?.kind !== 'template') {
      check.reject('takes its names from a `template` in the match of the route, and there is none', 'template');
      return;
    }
    const known = namesOf(match.value);
    for (const part of parts) {
      if (typeof part !== 'string' && !known.includes(part.variable))
        check.reject(`{${part.variable}} is no name of the match; it has ${known.join(', ') || 'none'}`, 'template');
    }
  } catch (error) {
    check.reject(error instanceof Error ? error.message : 'is no template', 'template');
  }
}

/** The names of a template that paths are matched by; none when it is no template, which is reported at the match. */
function namesOf(template: string): string[] {
  try {
    return [...patternFromPathTemplate(template).matchAll(/\(\?P<(\w+)>/g)].map(([, name = '']) => name);
  } catch {
    return [];
  }
}

/** Checks a pattern and what takes the place of its matches. */
export function checkRegexRewrite(check: Check, rewrite: { readonly regex: string; readonly substitution: string }): void {
  check.regex('regex', rewrite.regex);
  if (!check.text('substitution', rewrite.substitution)) return;
  const groups = groupsOf(rewrite.regex);
  const fault = groups === undefined ? undefined : substitutionFault(rewrite.substitution, groups);
  // Envoy takes it, and RE2 then replaces nothing.
  if (fault !== undefined) check.note(`${fault}; nothing is replaced`, 'substitution');
}

function groupsOf(regex: string): number | undefined {
  if (!isPatternEngineLoaded()) return undefined;
  try {
    return compilePattern(regex).groupCount();
  } catch {
    return undefined; // reported already
  }
}

/** Checks a new host. */
export function checkHostRewrite(check: Check, rewrite: HostRewrite): void {
  check.oneOf('kind', rewrite.kind ?? 'nothing', ['literal', 'endpoint', 'header', 'path-regex']);
  if (rewrite.kind === 'literal') check.authority('host', rewrite.host);
  else if (rewrite.kind === 'header') check.headerName('name', rewrite.name, 'lower-case');
  else if (rewrite.kind === 'path-regex') checkRegexRewrite(check, rewrite);
}

/** Checks where a redirect leads. */
export function checkRedirect(check: Check, action: RedirectAction): void {
  check.oneOf('status', action.status ?? 'nothing', [301, 302, 303, 307, 308]);
  if (action.scheme !== undefined && !/^[a-z][a-z0-9+.-]*$/i.test(action.scheme))
    check.reject(`${printed(action.scheme)} is no scheme, such as https`, 'scheme');
  if (action.host !== undefined) check.authority('host', action.host);
  check.port('port', action.port, 1);
  // A path without its slash would become a part of the host.
  if (action.path !== undefined) check.path('path', action.path);
  if (action.prefix !== undefined && action.prefix !== '') check.path('prefix', action.prefix);
  check.within('regex', action.regex, checkRegexRewrite);
  check.flag('stripQuery', action.stripQuery);
  const rewrites = [action.path, action.prefix, action.regex].filter((rewrite) => rewrite !== undefined);
  if (rewrites.length > 1) check.reject('has more than one of path, prefix and regex; keep one of them');
}
