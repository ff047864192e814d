import { printable } from '../../telemetry/printable.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { Exchange } from './exchange.ts';

/** Longest text of an event. */
const maxTextLength = 1024;

/** Tells of a mistake of the mesh that a request was refused for; its caller is told nothing of it. */
export function reportFailure(telemetry: Telemetry, exchange: Exchange, error: unknown): void {
  const { method, authority, pathOnly, connection } = exchange;
  telemetry.publish('inbound:failed', () => ({
    method: printable(method, maxTextLength),
    host: printable(authority, maxTextLength),
    port: connection.localPort,
    path: printable(pathOnly, maxTextLength),
    peerAddress: connection.peer.address,
    message: messageOf(error),
    cause: error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : undefined,
  }));
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return printable(text, maxTextLength);
}
