import { networkInterfaces } from 'node:os';

let known: string | undefined;

/**
 * The address that a proxy beside this process would see requests come from: the first that is not of the loopback interface, IPv4
 * before IPv6. Read once.
 */
export function ownAddress(): string {
  known ??= findAddress();
  return known;
}

function findAddress(): string {
  const all = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  const chosen = all.find(({ family }) => family === 'IPv4') ?? all[0];
  return chosen?.address ?? '127.0.0.1';
}
