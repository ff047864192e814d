/**
 * Where meshfetch does not do as Envoy does, and why. A difference that is not listed fails the oracle test, and so does a listed
 * one that no longer occurs. `where` is `<case>#<number of the ask>: <aspect>`; `*` stands for any text.
 */
export interface KnownDifference {
  readonly where: readonly string[];
  readonly reason: string;
}

/** All of them. */
export const knownDifferences: readonly KnownDifference[] = [];
