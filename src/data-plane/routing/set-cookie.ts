/** What a `Set-Cookie` header says beside the name. */
export interface CookieToSet {
  readonly value: string;
  /** 0 = until the client ends its session. */
  readonly maxAgeSeconds: number;
  readonly path: string | undefined;
}

/** The value of a `Set-Cookie` header, in the words and the order of Envoy's `makeSetCookieValue`. Scripts cannot read the cookie. */
export function setCookieOf(name: string, { value, maxAgeSeconds, path }: CookieToSet): string {
  const age = maxAgeSeconds > 0 ? `; Max-Age=${maxAgeSeconds}` : '';
  const scope = path === undefined || path === '' ? '' : `; Path=${path}`;
  return `${name}="${value}"${age}${scope}; HttpOnly`;
}
