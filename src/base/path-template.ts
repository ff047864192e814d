/**
 * Templates of paths: `/orders/{id}`. `{x}` and `*` stand for one segment, `{x=**}` and `**` for the rest, `{x=a/*}` for what it
 * says; everything else stands for itself. Source: Envoy's `UriTemplateMatchConfig`, whose limits hold too: at most 5 variables with
 * names of at most 16 characters, nothing open after `**`, and segments only of characters that RFC 3986 allows there.
 */

/** `pchar` of RFC 3986 without `*` and `=`, which have a meaning here. */
const literal = "a-zA-Z0-9\\-._~%!$&'()+,;:@";
const isLiteral = new RegExp(`^[${literal}]+$`);
/** In a request they are characters like others. */
const oneSegment = `[${literal}*=]+`;
const theRest = `[${literal}*=/]*`;

const maxVariables = 5;
const variableName = /^[a-zA-Z][a-zA-Z0-9_]{0,15}$/;

/** The template as a pattern in RE2 syntax, with a group for each variable. Throws a SyntaxError for what is no template. */
export function patternFromPathTemplate(template: string): string {
  const refuse = (why: string): never => {
    throw new SyntaxError(`"${template}" is not a path template: ${why}`);
  };
  if (!template.startsWith('/')) refuse('it must begin with /');
  const names = new Set<string>();
  let isAfterRest = false;
  const glob = (text: '*' | '**'): string => {
    if (isAfterRest) refuse('nothing open may come after **');
    isAfterRest = text === '**';
    return text === '*' ? oneSegment : theRest;
  };
  const segment = (text: string): string => {
    if (text === '*' || text === '**') return glob(text);
    return isLiteral.test(text) ? escaped(text) : refuse(`${JSON.stringify(text)} is no segment`);
  };
  const variable = (text: string): string => {
    const [name = '', match = '*'] = split(text, '=');
    if (!variableName.test(name)) refuse(`${JSON.stringify(name)} is no name of a variable (1 to 16 letters, digits and _)`);
    if (names.has(name)) refuse(`the variable ${name} stands there twice`);
    if (names.add(name).size > maxVariables) refuse(`it has more than ${maxVariables} variables`);
    return `(?P<${name}>${match.split('/').map(segment).join('/')})`;
  };
  let pattern = '/';
  let rest = template.slice(1);
  while (rest !== '') {
    const open = /^(\{[^}]*\}|\*\*?)/.exec(rest)?.[0];
    const text = open ?? /^[^/]*/.exec(rest)![0];
    pattern += open?.startsWith('{') ? variable(open.slice(1, -1)) : segment(text);
    rest = rest.slice(text.length);
    // Text right after a variable ends the template: `{file}.json`.
    if (open !== undefined && rest !== '' && !rest.startsWith('/')) return pattern + segment(rest);
    if (rest !== '') pattern += '/';
    rest = rest.slice(1);
  }
  return pattern;
}

/** Text and names of variables of a template for a new path: `/v2/{id}`. Throws a SyntaxError for what is none. */
export function partsOfRewriteTemplate(template: string): readonly (string | { readonly variable: string })[] {
  const refuse = (why: string): never => {
    throw new SyntaxError(`"${template}" is not a template for a path: ${why}`);
  };
  if (!template.startsWith('/')) refuse('it must begin with /');
  if (template.includes('//')) refuse('it has //');
  return template
    .split(/(\{[^}]*\})/)
    .filter((part) => part !== '')
    .map((part) => {
      if (!part.startsWith('{'))
        return part.split('/').every((text) => text === '' || isLiteral.test(text))
          ? part
          : refuse(`${JSON.stringify(part)} cannot stand in a path`);
      const name = part.slice(1, -1);
      return variableName.test(name) ? { variable: name } : refuse(`${JSON.stringify(name)} is no name of a variable`);
    });
}

function split(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function escaped(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}
