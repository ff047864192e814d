/**
 * Headers that stand once in a request or response: their values are one list, joined by `,`, for matching and for what is added.
 * Every other header keeps its values apart. Source: what Envoy 1.40 does with each of them (it has a place of its own for these).
 */
const inRequests =
  'accept accept-encoding access-control-request-headers access-control-request-method authorization cache-control connection ' +
  'access-control-request-private-network content-encoding content-length content-type expect grpc-accept-encoding grpc-timeout ' +
  'host if-match if-modified-since if-range if-unmodified-since x-envoy-external-address x-envoy-original-host x-forwarded-port ' +
  'if-none-match keep-alive origin pragma proxy-connection referer te transfer-encoding upgrade user-agent via x-client-trace-id ' +
  'x-envoy-attempt-count x-envoy-decorator-operation x-envoy-downstream-service-cluster x-envoy-downstream-service-node ' +
  'x-envoy-max-retries x-envoy-original-path x-envoy-retry-grpc-on x-envoy-retry-on x-envoy-upstream-rq-per-try-timeout-ms ' +
  'x-envoy-upstream-rq-timeout-ms x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id';

/** Of a request, lower case. */
export const joinedRequestHeaders: ReadonlySet<string> = new Set(inRequests.split(' '));

/** Of a request or a response: what is added to one of these is added to its value. */
export const joinedHeaders: ReadonlySet<string> = new Set([
  ...joinedRequestHeaders,
  ...'access-control-allow-origin date etag grpc-message grpc-status location server x-envoy-upstream-service-time'.split(' '),
]);
