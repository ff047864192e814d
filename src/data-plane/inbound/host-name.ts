/** The host of an authority, without its port: `orders` of `orders:8080`, `[::1]` of `[::1]:8080`. */
export function hostNameOf(authority: string): string {
  const end = authority.startsWith('[') ? authority.indexOf(']') + 1 : authority.indexOf(':');
  return end <= 0 ? authority : authority.slice(0, end);
}
