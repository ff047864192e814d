/** What is told of the servers: which one serves, since when, what failed, what to do, and when it is tried again. */
import type { ControlPlaneStatus } from '../../../model/contracts.ts';
import { grpcCodes, GrpcError } from '../../../wire/grpc-client.ts';
import type { XdsVariant } from './stream-protocol.ts';

/** How one server is doing. Times are of the wall clock. */
export interface LinkReport {
  readonly address: string;
  readonly state: 'connecting' | 'connected' | 'disconnected';
  readonly sinceMs: number;
  /** What the server calls itself; `''` = it did not say. */
  readonly identifier: string;
  /** Why it is not connected, with the remedy. */
  readonly failure?: string;
  /** Connections that failed in a row. */
  readonly failures: number;
  readonly nextTryMs?: number;
  /** What is wrong although it is connected. */
  readonly warning?: string;
}

/** One status of all servers that are in use, the first of the list first. */
export function statusOf(reports: readonly LinkReport[]): ControlPlaneStatus {
  const serving = reports.find((report) => report.state === 'connected');
  const troubles = reports.filter((report) => report !== serving).map(troubleOf);
  const words = [
    ...(serving !== undefined && serving !== reports[0]
      ? [`served by the fallback ${serving.address} since ${time(serving.sinceMs)}`]
      : []),
    ...(serving?.warning === undefined ? [] : [serving.warning]),
    ...troubles.filter((trouble) => trouble !== undefined),
  ];
  const state = serving !== undefined ? 'connected' : reports.some(hasFailed) ? 'disconnected' : 'connecting';
  return {
    state,
    ...(words.length > 0 && { error: words.join('; ') }),
    ...(serving !== undefined && { server: nameOf(serving) }),
  };
}

/** Why a stream ended, with what to do about it. */
export function failureText(error: unknown, variant: XdsVariant): string {
  if (!(error instanceof GrpcError)) return error instanceof Error ? error.message : String(error);
  const remedy = remedyFor(error, variant);
  return remedy === undefined ? error.message : `${error.message} (${remedy})`;
}

function remedyFor(error: GrpcError, variant: XdsVariant): string | undefined {
  if (error.code === grpcCodes.unauthenticated)
    return 'the server does not accept who we say we are: check the token file of the call credentials, or the client certificate';
  if (error.code === grpcCodes.permissionDenied)
    return 'the server refuses this node: its id and metadata must fit the identity of the token or certificate';
  if (error.code === grpcCodes.unimplemented)
    return variant === 'delta'
      ? "the server has no delta xDS, or no ADS at all: set variant to 'state-of-the-world', and check the address"
      : "the server has no state-of-the-world xDS, or no ADS at all: set variant to 'delta', and check the address";
  if (error.code === grpcCodes.resourceExhausted && /larger than max/.test(error.details))
    return 'a push of the server is larger than maxMessageBytes';
  if (saysTooManyPings(error)) return 'the server finds our pings too many: they are sent half as often from now on';
  return undefined;
}

/** Whether the connection ended with ENHANCE_YOUR_CALM of HTTP/2, in the words of the library. */
export function saysTooManyPings(error: unknown): boolean {
  return (
    error instanceof GrpcError && error.code === grpcCodes.resourceExhausted && error.details.startsWith('Bandwidth exhausted')
  );
}

function troubleOf(report: LinkReport): string | undefined {
  const { address, failure, failures, nextTryMs } = report;
  if (failure === undefined) return report.warning;
  const tries = failures > 1 ? `, tried ${failures} times` : '';
  const next = nextTryMs === undefined ? '' : `, next try at ${time(nextTryMs)}`;
  return `${address}: ${failure}; not connected since ${time(report.sinceMs)}${tries}${next}`;
}

function hasFailed(report: LinkReport): boolean {
  return report.state === 'disconnected';
}

function nameOf(report: LinkReport): string {
  return report.identifier === '' ? report.address : `${report.address} (${report.identifier})`;
}

function time(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}
