/**
 * JSON of tokens and key sets. Two readers that take different ones of two equal names can be played off against each other, so that
 * an object with a name twice is refused (RFC 8725, section 2.4, RFC 7515, section 4); so is `__proto__`, which a program that copies
 * claims would hand to its own objects.
 */

/** An object of JSON; only own properties count. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Deeper ones are refused, as Envoy's parser does. */
const maxDepth = 100;

/** The object that the text is; undefined when it is none, is not JSON, or has a name twice. */
export function parseStrictObject(text: string): JsonObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return isUnambiguous(text) ? (value as JsonObject) : undefined;
}

/** Looks at the names of a text that is known to be JSON. */
function isUnambiguous(text: string): boolean {
  // Names of each object that is open; undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === openBrace || code === openBracket) {
      open.push(code === openBrace ? new Set() : undefined);
      if (open.length > maxDepth) return false;
    } else if (code === closeBrace || code === closeBracket) open.pop();
    else if (code === quote) {
      const end = endOfString(text, index);
      const names = open.at(-1);
      if (names !== undefined && isName(text, end)) {
        const name = JSON.parse(text.slice(index, end)) as string;
        if (name === '__proto__' || names.has(name)) return false;
        names.add(name);
      }
      index = end - 1;
    }
  }
  return true;
}

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const colon = 0x3a;

/** Behind the closing quote. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (text.charCodeAt(index) !== quote) index += text.charCodeAt(index) === backslash ? 2 : 1;
  return index + 1;
}

/** Whether a colon follows: in JSON only behind a name. */
function isName(text: string, end: number): boolean {
  let index = end;
  while (text.charCodeAt(index) <= 0x20) index++;
  return text.charCodeAt(index) === colon;
}
