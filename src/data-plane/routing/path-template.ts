import { partsOfRewriteTemplate, patternFromPathTemplate } from '../../base/path-template.ts';
import { compilePattern } from '../../base/pattern.ts';

/**
 * Puts the variables of a path that `template` matches into a new path: `/orders/{id}` into `/v2/{id}/order`. Undefined for a path
 * that does not match, and where the new path names a variable that the template does not have. Source: Envoy's
 * `UriTemplateRewriteConfig`.
 */
export function compileTemplateRewrite(template: string, rewrite: string): (path: string) => string | undefined {
  const pattern = compilePattern(patternFromPathTemplate(template));
  const parts = partsOfRewriteTemplate(rewrite);
  const known = Object.keys(pattern.namedGroups());
  if (parts.some((part) => typeof part !== 'string' && !known.includes(part.variable))) return () => undefined;
  return (path) => {
    const matcher = pattern.matcher(path);
    if (!matcher.matches()) return undefined;
    return parts.map((part) => (typeof part === 'string' ? part : (matcher.group(part.variable) ?? ''))).join('');
  };
}
