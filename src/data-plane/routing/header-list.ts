/** Headers as pairs, in their order, so that repeated ones keep their values apart. */
import type { HeaderValue, RequestView } from './request-view.ts';

/** Names are in the case in which they came. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** The pairs of whatever undici takes as headers: an object, a flat array, an iterable of pairs or null. */
export function headerList(headers: RequestView['headers']): HeaderList {
  const list: [string, string][] = [];
  if (headers === null || headers === undefined) return list;
  const take = (name: string, value: HeaderValue | undefined): void => {
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) for (const each of value) list.push([name, String(each)]);
    else list.push([name, String(value)]);
  };
  if (Array.isArray(headers)) {
    for (let index = 0; index + 1 < headers.length; index += 2) take(String(headers[index]), headers[index + 1]);
  } else if (Symbol.iterator in headers) {
    for (const [name, value] of headers as Iterable<[string, HeaderValue]>) take(name, value);
  } else {
    for (const name of Object.keys(headers)) take(name, headers[name]);
  }
  return list;
}

/** The pairs one after the other, as undici takes them. */
export function flatHeaders(list: HeaderList): string[] {
  return list.flat();
}

/** Header names are compared in lower case. */
export function lowerCaseName(name: string): string {
  return name.toLowerCase();
}

/** First value of a header, by its lower-case name. */
export function firstHeader(list: HeaderList, wanted: string): string | undefined {
  return list.find(([name]) => lowerCaseName(name) === wanted)?.[1];
}
