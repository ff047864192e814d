/** `::ffff:192.0.2.1` is what a socket of both families calls 192.0.2.1. A zone (`fe80::1%eth0`) is no part of an address. */
export function unmapped(address: string): string {
  const zone = address.indexOf('%');
  const plain = zone === -1 ? address : address.slice(0, zone);
  return plain.startsWith('::ffff:') && plain.includes('.') ? plain.slice(7) : plain;
}
