import { checkServerIdentity } from 'node:tls';

/** Settings of node:tls that say whom to trust, or who the program is. */
const names = ['ca', 'cert', 'key', 'pfx', 'crl', 'secureContext', 'checkServerIdentity', 'pskCallback'] as const;

/** The first option by which the program secures its connections itself; undefined = there is none. */
export function ownTrustOf(options: Readonly<Record<string, unknown>>): string | undefined {
  // got passes on what is the default anyway.
  return names.find((name) => options[name] !== undefined && options[name] !== null && options[name] !== checkServerIdentity);
}
