import type { Metadata } from '@grpc/grpc-js';
import { grpcStatusNames } from '../base/grpc-status.ts';

/** Longer texts of a server are cut: they end up in statuses and logs. */
const maxDetailsLength = 1000;

/** Codes of gRPC that callers decide by. Source: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const grpcCodes = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** A call that did not end with OK. What was sent with it (tokens) is never part of it. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  readonly code: number;
  /** `UNAVAILABLE`. */
  readonly codeName: string;
  /** In the words of the server or of the transport; may be empty. */
  readonly details: string;
  private readonly trailers: Metadata | undefined;

  constructor(code: number, details: string, trailers?: Metadata) {
    const codeName = grpcStatusNames[code] ?? `code ${code}`;
    const text = readable(details);
    super(text === '' ? codeName : `${codeName}: ${text}`);
    this.code = code;
    this.codeName = codeName;
    this.details = text;
    this.trailers = trailers;
  }

  /** What the server sent under the name with the end of the call. */
  metadata(name: string): string | undefined {
    return this.trailers?.get(name)[0]?.toString();
  }
}

const noConnection = /^(?:No connection established\. Last error: |no connection: )(?:Error: )?/;

/** What the library says of a connection that was not made, without its frame; undefined where it is about something else. */
export function connectionDetails(details: string): string | undefined {
  const text = withoutNotes(details);
  return noConnection.test(text) ? text.replace(noConnection, '') : undefined;
}

/** Without what differs from one failure to the next of the same kind, so that a status can tell whether there is news. */
function readable(details: string): string {
  const text = withoutNotes(details).replace(noConnection, 'no connection: ');
  return text.length > maxDetailsLength ? `${text.slice(0, maxDetailsLength)}…` : text;
}

function withoutNotes(details: string): string {
  return details.replace(/ ?\(\d{4}-\d\d-\d\dT[\d:.]+Z\)/g, '').replace(/\. Resolution note: ?$/, '');
}
