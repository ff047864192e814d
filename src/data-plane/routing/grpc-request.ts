import { headerOf, type RequestView } from './request-view.ts';

/** Whether a request is gRPC: its content-type is `application/grpc`, alone or with `+` and a format. Source: Envoy, gRPC over HTTP/2. */
export function isGrpcRequest(request: RequestView): boolean {
  const type = headerOf(request, 'content-type');
  return type !== undefined && (type === 'application/grpc' || type.startsWith('application/grpc+'));
}

/** Source: gRPC, "HTTP to gRPC Status Code Mapping"; everything else is UNKNOWN. */
const grpcStatuses: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 };

/** The gRPC status that an HTTP status without one stands for. */
export function grpcStatusFromHttp(status: number): number {
  return grpcStatuses[status] ?? 2;
}

/** A message as the header `grpc-message` has it: what is no printable ASCII, and `%`, is escaped. Source: gRPC over HTTP/2. */
export function grpcMessage(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) =>
      byte < 0x20 || byte > 0x7e || byte === 0x25
        ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte),
    )
    .join('');
}
