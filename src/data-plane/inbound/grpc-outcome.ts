/** What the statuses of gRPC are in HTTP, by their numbers. Source: google/rpc/code.proto. */
const httpStatuses: readonly number[] = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/**
 * The status that a response stands for: calls of gRPC all have 200, and say in their trailers how they ended. `grpcStatus` undefined = it
 * was no such call.
 */
export function outcomeStatus(status: number, grpcStatus: number | undefined): number {
  return grpcStatus === undefined || status !== 200 ? status : (httpStatuses[grpcStatus] ?? 500);
}
