/** The statuses of gRPC by number and name, and what stands for one in HTTP. Source: gRPC, "Status codes and their use". */

/** Names by number. */
export const grpcStatusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

/** The number of a name; -1 for what is none. */
export function grpcStatusNumber(name: string): number {
  return (grpcStatusNames as readonly string[]).indexOf(name);
}

/** Everything else is UNKNOWN. */
const ofHttp: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 };

/** The gRPC status that an HTTP status without one stands for. Source: gRPC, "HTTP to gRPC Status Code Mapping". */
export function grpcStatusFromHttp(status: number): number {
  return ofHttp[status] ?? 2;
}
