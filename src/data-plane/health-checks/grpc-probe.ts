import { formatGrpcTimeout } from '../../base/grpc-timeout.ts';
import { isError } from '../../base/is-error.ts';
import { framed, unframed } from '../../wire/grpc-frames.ts';
import { decodeHealthStatus, encodeHealthRequest } from '../../wire/grpc-health.ts';
import { CheckConnection, type CheckResponse, type CheckSurroundings } from './check-connection.ts';
import type { CheckTarget } from './check-target.ts';
import { answered, failedOnTheWay, type CheckVerdict, type HealthProbe } from './health-probe.ts';
import { checkUserAgent, lowerCased } from './http-probe.ts';

/** Asks `grpc.health.v1.Health/Check`; only `SERVING` passes. Source: Envoy `GrpcHealthCheck`, gRPC health checking protocol. */
export function createGrpcProbe(target: CheckTarget, surroundings: CheckSurroundings): HealthProbe {
  const { check } = target;
  const service = check.service ?? '';
  const connection = new CheckConnection(target, surroundings);
  const request = {
    method: 'POST',
    path: '/grpc.health.v1.Health/Check',
    headers: {
      host: target.authority,
      'user-agent': checkUserAgent,
      ...lowerCased(check.headers),
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': formatGrpcTimeout(Math.ceil(check.timeoutMs)),
    },
    body: framed(encodeHealthRequest({ service })),
  };
  return {
    begin: (onVerdict) =>
      connection.ask(request, (response) => {
        if (isError(response)) onVerdict(failedOnTheWay(response));
        else onVerdict(connection.isHttp2 ? verdictOf(response, service) : answered('does not speak HTTP/2'));
      }),
    close: () => connection.close(),
    get isConnected() {
      return connection.isConnected;
    },
  };
}

function verdictOf({ status, headers, body, trailers }: CheckResponse, service: string): CheckVerdict {
  const grpcStatus = trailers['grpc-status'] ?? headers['grpc-status'];
  if (status !== 200 && grpcStatus === undefined) return answered(`answered HTTP ${status}, not gRPC`);
  const type = headers['content-type'];
  if (status === 200 && !(typeof type === 'string' && type.startsWith('application/grpc')))
    return answered(`answered ${typeof type === 'string' ? type : 'without a content type'}, not gRPC`);
  if (grpcStatus !== '0') {
    // Source: gRPC health checking protocol, "If the service name is not registered, the server returns a NOT_FOUND".
    const hint =
      grpcStatus === '5' ? ` (the server has no service "${service}")` : grpcStatus === '12' ? ' (no health service)' : '';
    return answered(`answered grpc-status ${String(grpcStatus)}${hint}`);
  }
  const message = unframed(body);
  const serving = message && decodeHealthStatus(message);
  if (serving === 'SERVING') return { kind: 'passed', isDegraded: false };
  return answered(serving === undefined ? 'answered something other than a HealthCheckResponse' : `says it is ${serving}`);
}
