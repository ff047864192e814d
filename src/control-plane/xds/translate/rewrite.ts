/** How a request's path and host are rewritten, and the redirects that say the same of a location. */
import type { HostRewrite, PathRewrite, RedirectAction } from '../../../model/route.ts';
import type { Message } from './message.ts';
import { regexFrom } from './string-matcher.ts';

/** Reads a `RegexMatchAndSubstitute`. */
export function regexRewriteFrom(message: Message): { readonly regex: string; readonly substitution: string } {
  const pattern = message.message('pattern');
  if (pattern === undefined) message.problem('pattern', 'must be a regular expression');
  return { regex: regexFrom(pattern) ?? '', substitution: message.text('substitution') ?? '' };
}

/** Reads the rewrite of the path of a `RouteAction`. */
export function pathRewriteFrom(message: Message): PathRewrite | undefined {
  const given = ['prefix_rewrite', 'regex_rewrite', 'path_rewrite_policy', 'path_rewrite'].filter(
    (name) => message.has(name) && message.raw(name) !== '',
  );
  if (given.length > 1) message.problem(given[1]!, `only one of ${given.join(', ')} may be there`);
  // An empty prefix is the default value of the field: no rewrite.
  const prefix = message.name('prefix_rewrite');
  if (prefix !== undefined) return { kind: 'prefix', prefix };
  const regex = message.message('regex_rewrite');
  if (regex !== undefined) return { kind: 'regex', ...regexRewriteFrom(regex) };
  const policy = message.message('path_rewrite_policy');
  if (policy === undefined) return undefined;
  policy.skip('name');
  const template = policy.any('typed_config')?.message.name('path_template_rewrite');
  if (template !== undefined) return { kind: 'template', template };
  policy.findings.problem(policy.path, 'is no rewrite that is known here; path_template_rewrite is');
  return undefined;
}

/** Reads the rewrite of the host of a `RouteAction`. */
export function hostRewriteFrom(message: Message): HostRewrite | undefined {
  const kind = message.oneOf(
    'host_rewrite_literal',
    'auto_host_rewrite',
    'host_rewrite_header',
    'host_rewrite_path_regex',
    'host_rewrite',
  );
  switch (kind) {
    case 'host_rewrite_literal': {
      const host = message.name(kind);
      return host === undefined ? undefined : { kind: 'literal', host };
    }
    case 'auto_host_rewrite':
      return message.flag(kind) === true ? { kind: 'endpoint' } : undefined;
    case 'host_rewrite_header': {
      const name = message.name(kind);
      return name === undefined ? undefined : { kind: 'header', name: name.toLowerCase() };
    }
    case 'host_rewrite_path_regex': {
      const rewrite = message.message(kind);
      return rewrite && { kind: 'path-regex', ...regexRewriteFrom(rewrite) };
    }
    default:
      return undefined;
  }
}

const statuses = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
} as const;

/** Reads a `RedirectAction`. */
export function redirectFrom(message: Message): RedirectAction {
  const code = message.choice('response_code', [
    'MOVED_PERMANENTLY',
    'FOUND',
    'SEE_OTHER',
    'TEMPORARY_REDIRECT',
    'PERMANENT_REDIRECT',
  ]);
  const toScheme = message.oneOf('https_redirect', 'scheme_redirect');
  const scheme =
    message.flag('https_redirect') === true && toScheme === 'https_redirect' ? 'https' : message.name('scheme_redirect');
  const toPath = message.oneOf('path_redirect', 'prefix_rewrite', 'regex_rewrite');
  const host = message.name('host_redirect');
  const port = message.whole('port_redirect', 0, 65_535);
  const path = message.name('path_redirect');
  const prefix = message.name('prefix_rewrite');
  const regex = toPath === 'regex_rewrite' ? message.message('regex_rewrite') : undefined;
  const stripQuery = message.flag('strip_query') === true;
  return {
    kind: 'redirect',
    status: statuses[code ?? 'MOVED_PERMANENTLY'],
    ...(scheme !== undefined && { scheme }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && port > 0 && { port }),
    ...(path !== undefined && { path }),
    ...(prefix !== undefined && { prefix }),
    ...(regex !== undefined && { regex: regexRewriteFrom(regex) }),
    ...(stripQuery && { stripQuery }),
  };
}
