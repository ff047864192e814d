import { headerOf, type RequestView } from './request-view.ts';

/** Whether a request is gRPC: its content-type is `application/grpc`, alone or with `+` and a format. Source: Envoy, gRPC over HTTP/2. */
export function isGrpcRequest(request: RequestView): boolean {
  const type = headerOf(request, 'content-type');
  return type !== undefined && (type === 'application/grpc' || type.startsWith('application/grpc+'));
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
