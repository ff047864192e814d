/** Text from outside as a part of a line: paths, names, reasons. No request can forge a line or reverse one. */

/** Longest value from outside. */
const maxValueLength = 200;

const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** `text` on one line: control, formatting and separator characters as `\u{…}`, cut to `maxLength` characters. */
export function printable(text: string, maxLength = maxValueLength): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return cut.replaceAll(unprintable, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** `0.3 ms`, `31 ms`. */
export function milliseconds(ms: number): string {
  return `${ms >= 10 ? Math.round(ms) : Math.round(ms * 10) / 10} ms`;
}
