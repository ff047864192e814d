/**
 * The one place that loads `@peculiar/x509`: certificates are made for development and in requests to a CA, never on the way of
 * a request, and loading costs about 120 ms.
 *
 * Its container (tsyringe) refuses to load without the `reflect-metadata` functions on the global `Reflect`, though the library
 * never needs them. Leaving a substitute there would break programs that load `reflect-metadata` later (it keeps what it finds,
 * and NestJS would lose its types), so a substitute is lent for the time of one synchronous `require` and taken away again.
 */
import { createRequire } from 'node:module';

import type * as x509 from '@peculiar/x509';

export type X509Library = typeof x509;

const lent = ['getMetadata', 'getOwnMetadata', 'defineMetadata'] as const;
let loaded: X509Library | undefined;

/** The library, loaded at the first call. The global `Reflect` is the same before and after. */
export function loadX509Library(): X509Library {
  if (loaded !== undefined) return loaded;
  const missing = lent.filter((name) => !(name in Reflect));
  try {
    for (const name of missing) {
      Object.defineProperty(Reflect, name, { value: () => undefined, configurable: true, writable: true });
    }
    loaded = createRequire(import.meta.url)('@peculiar/x509') as X509Library;
    return loaded;
  } finally {
    for (const name of missing) Reflect.deleteProperty(Reflect, name);
  }
}
