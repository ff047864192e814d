/**
 * `/orders/{id}` as a pattern in RE2 syntax: `{x}` and `*` stand for one segment, `{x=**}` and `**` for the rest, everything else for
 * itself. Source: Envoy's URI template match.
 */
export function patternFromPathTemplate(template: string): string {
  return template
    .split(/(\{[^}]*\}|\*\*|\*)/)
    .map((part) => {
      if (part === '**' || /^\{[^=}]*=\*\*\}$/.test(part)) return '.*';
      if (part === '*' || part.startsWith('{')) return '[^/]+';
      return part.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');
    })
    .join('');
}
