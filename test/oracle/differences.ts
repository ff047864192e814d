/**
 * Where meshfetch does not do as Envoy does, and why. A difference that is not listed fails the oracle test, and so does a listed
 * one that no longer occurs. `where` is `<case>#<number of the ask>: <aspect>`; `*` stands for any text.
 */
export interface KnownDifference {
  readonly where: readonly string[];
  readonly reason: string;
}

/** What is done otherwise on purpose. */
const deliberate: readonly KnownDifference[] = [
  {
    where: ['retry-after-many-retries#1: *'],
    reason:
      'Envoy without a configured budget lets three retries run at a time and as many one after the other as there are requests. ' +
      'The default budget here is a bucket, so that retries add a fifth to the load of a service that fails at most.',
  },
  {
    where: ['timeout-covers-back-off#0: *'],
    reason:
      'Envoy waits for its timeout although the next attempt would begin after it. Here the answer that is there is delivered at ' +
      'once: waiting could only replace it by a 504.',
  },
  {
    where: ['retry-never#0: flags'],
    reason: 'Envoy calls a policy of no retries exhausted (URX) after the first attempt. Here it is no policy.',
  },
  {
    where: ['outlier-local-origin-apart#1: endpoints'],
    reason:
      'Envoy begins the count of local failures anew at each connection, so that with keep-alive resets never add up. Its ' +
      'documentation promises what is done here.',
  },
  {
    where: ['timeout-of-stream#*: flags', 'timeout-of-grpc-header*#0: flags'],
    reason: 'Envoy gives no flag when max_stream_duration ends a request. DT, or UT for the time of a gRPC call, says why.',
  },
  {
    where: ['timeout-of-grpc-header*#0: header x-envoy-expected-rq-timeout-ms'],
    reason:
      'Envoy does not tell the endpoint how long it has when the time comes from grpc-timeout. Here it always does: an endpoint that ' +
      'reads only this header should know too.',
  },
  {
    where: [
      'retry-grpc-*#*: header grpc-previous-rpc-attempts of attempt *',
      'override-grpc-retries#*: header grpc-previous-rpc-attempts of attempt *',
    ],
    reason:
      'Envoy does not tell an endpoint how often a gRPC call was sent before. Clients of gRPC do (gRFC A6), and so does the mesh.',
  },
  {
    where: ['priority-panic-with-one-that-drains#0: share *'],
    reason:
      'Envoy sends requests to endpoints that drain in panic. Here they get none: they asked for no more, and panic is for verdicts ' +
      'that may be wrong.',
  },
  {
    where: ['priority-hashed-and-all-degraded#0: *'],
    reason:
      'The tables of Envoy have healthy endpoints alone, so that requests fail. Here degraded ones serve when there are no others.',
  },
  {
    where: ['priority-hashed-panic-that-fails#0: *'],
    reason: 'fail_traffic_on_panic has no effect on ring-hash and maglev in Envoy. Here it holds: whoever asks for it means it.',
  },
  {
    where: ['priority-drops-all#0: flags'],
    reason: 'Envoy has a flag of its own (UDO) for dropping everything. Here it is DO, whatever the share.',
  },
  {
    where: ['limit-no-pending#0: *'],
    reason:
      'To Envoy a request is pending until its connection is made, so that max_pending_requests of 0 refuses the first one. Here only ' +
      'a request that waits for a busy connection is pending.',
  },
];

/** What a library inside the process sees otherwise than a proxy does. */
const ofTheProcess: readonly KnownDifference[] = [
  {
    where: ['match-domain-wildcard-suffix#2: host'],
    reason: 'A URL has its host in lower case before the mesh sees it (WHATWG URL); Envoy passes on what the client sent.',
  },
  {
    where: ['match-header-exact#2: endpoints', 'match-header-range#5: endpoints'],
    reason:
      'Spaces around a value of a header are dropped by the parser of whoever receives it. Envoy matches after that, the mesh what ' +
      'the caller passed; fetch has trimmed it by then.',
  },
  {
    where: ['failure-http2#1: flags', 'retry-no-retry-of-http2#0: flags'],
    reason:
      'A stream that was reset and a connection that was reset are one error here, with the flag UC; Envoy gives a stream UR.',
  },
  {
    where: [
      'failure-http2#2: attempts',
      'failure-http2#2: endpoints',
      'retry-no-retry-of-http2#1: attempts',
      'retry-no-retry-of-http2#1: endpoints',
      'retry-refused-stream#1: attempts',
      'retry-refused-stream#1: endpoints',
    ],
    reason:
      'undici sends a refused stream once more by itself when its body can be sent again, on a connection of the same endpoint. A ' +
      'refused stream was not processed (RFC 9113, section 8.7), so nothing happens twice.',
  },
];

/** What is not carried out; `mesh.status()` and the problems of a compiled configuration name each. */
const unhonoured: readonly KnownDifference[] = [
  {
    where: ['override-timeouts#2: status'],
    reason:
      'x-envoy-upstream-rq-timeout-alt-response asks for 204 instead of 504; a caller in the process gets the error it can name.',
  },
];

/** All of them. */
export const knownDifferences: readonly KnownDifference[] = [...deliberate, ...ofTheProcess, ...unhonoured];
