/** A difference from Node's fetch that is meant to be. One that no longer occurs fails the test, so that the list stays true. */
export interface AllowedDifference {
  readonly scenario: string;
  readonly door: 'lean' | 'over-node' | 'both';
  /** Where in the observation: this place and all below it. */
  readonly path: string;
  /** Also in docs/reference/fetch.md. */
  readonly reason: string;
}

export const allowedDifferences: readonly AllowedDifference[] = [
  {
    scenario: 'read-prototype',
    door: 'lean',
    path: 'result.read.value',
    reason:
      'Prototype identity: the prototype of a lean response, and of its headers, stands one step below that of Response, and of Headers.',
  },
  {
    scenario: 'read-method-of-prototype',
    door: 'lean',
    path: 'result',
    reason:
      'Borrowed methods: Response.prototype.text.call(response) rejects. A subclass would answer with an empty body instead.',
  },
  {
    scenario: 'resource-timing-entry',
    door: 'lean',
    path: 'result',
    reason: 'No resource timing entry: making one costs more than the whole call, and a mesh measures by OpenTelemetry.',
  },
  {
    scenario: 'coding-named-gzip-6',
    door: 'lean',
    path: 'result.head.headers',
    reason: 'White space behind a header value of the response is trimmed (RFC 9110, section 5.5); Node leaves it there.',
  },
  ...(['lean', 'over-node'] as const).map((door) => ({
    scenario: 'redirect-identity-headers-other-origin',
    door,
    path: 'seen.1.headers',
    reason:
      'A redirect to another origin also drops the headers by which a mesh says who asks: x-forwarded-client-cert, l5d-client-id.',
  })),
];
