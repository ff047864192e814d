/** The host of an authority, without its port: `orders` of `orders:8080`, `[::1]` of `[::1]:8080`. */
export function hostNameOf(authority: string): string {
  const end = authority.startsWith('[') ? authority.indexOf(']') + 1 : authority.indexOf(':');
  return end <= 0 ? authority : authority.slice(0, end);
}

/** Host and port of an authority; the standard port of the scheme where it names none. The colons of an IPv6 address stand in brackets. */
export function hostAndPortOf(authority: string, scheme: string): { readonly host: string; readonly port: number } {
  const port = /:(\d{1,5})$/.exec(authority)?.[1];
  if (port === undefined) return { host: authority, port: scheme === 'https' ? 443 : 80 };
  return { host: authority.slice(0, -port.length - 1), port: Number(port) };
}
