/** A difference from Node's fetch that is meant to be. One that no longer occurs fails the test, so that the list stays true. */
export interface AllowedDifference {
  readonly scenario: string;
  readonly door: 'lean' | 'over-node' | 'both';
  /** Where in the observation: this place and all below it. */
  readonly path: string;
  /** First column of the list in docs/reference/fetch.md, which has the reason. */
  readonly title: string;
}

export const allowedDifferences: readonly AllowedDifference[] = [
  {
    scenario: 'read-prototype',
    door: 'lean',
    path: 'result.read.value',
    title: 'Prototype identity',
  },
  {
    scenario: 'read-method-of-prototype',
    door: 'lean',
    path: 'result',
    title: 'Borrowed methods',
  },
  {
    scenario: 'resource-timing-entry',
    door: 'lean',
    path: 'result',
    title: 'Resource timing',
  },
  {
    scenario: 'coding-named-gzip-6',
    door: 'lean',
    path: 'result.head.headers',
    title: 'White space behind header values',
  },
  ...(['lean', 'over-node'] as const).map((door) => ({
    scenario: 'redirect-identity-headers-other-origin',
    door,
    path: 'seen.1.headers',
    title: 'Identity headers at redirects',
  })),
];
