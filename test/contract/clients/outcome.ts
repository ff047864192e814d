import assert from 'node:assert/strict';
import { isMeshError, type MeshError, type MeshErrorCode } from 'meshfetch';
import { meshErrorOf } from 'meshfetch/grpc';
import type { Exchange, Headers, Outcome } from './client.ts';

/** The MeshError that an error is, was caused by, or of gRPC that it stands for. */
export function meshErrorIn(error: unknown): MeshError | undefined {
  const seen = new Set<unknown>();
  for (let at = error; typeof at === 'object' && at !== null && !seen.has(at); at = (at as { cause?: unknown }).cause) {
    if (isMeshError(at)) return at;
    const ofGrpc = meshErrorOf(at);
    if (ofGrpc !== undefined) return ofGrpc;
    seen.add(at);
  }
  return undefined;
}

/** What a client threw, as an outcome. */
export function failure(error: unknown): Outcome {
  return { kind: 'failure', code: meshErrorIn(error)?.code, error };
}

/** Reads a response to its end. */
export async function outcomeOf(opening: Promise<Exchange>): Promise<Outcome> {
  try {
    const exchange = await opening;
    const parts: Buffer[] = [];
    for await (const part of exchange.messages) parts.push(part);
    const { status, headers } = exchange;
    return { kind: 'answer', status, headers, trailers: exchange.trailers(), body: Buffer.concat(parts) };
  } catch (error) {
    return failure(error);
  }
}

/** One value for each name, as fetch joins them. */
export function headersOf(pairs: Iterable<readonly [string, string | readonly string[] | undefined]>): Headers {
  const headers: Record<string, string> = {};
  for (const [name, value] of pairs) if (value !== undefined) headers[name.toLowerCase()] = String(value);
  return headers;
}

/** The response with this status, and what came with it. */
export function answered(outcome: Outcome, status = 200): Extract<Outcome, { kind: 'answer' }> {
  if (outcome.kind === 'failure') throw new Error('it should be answered', { cause: outcome.error });
  assert.equal(outcome.status, status, `the status; the body is ${outcome.body.toString().slice(0, 200)}`);
  return outcome;
}

/** The body of a response with 200, as a text. */
export function textOf(outcome: Outcome): string {
  return answered(outcome).body.toString();
}

/** Asserts that the client threw, and that the mesh's error is the cause. */
export function failed(outcome: Outcome, code: MeshErrorCode): MeshError {
  if (outcome.kind === 'answer') assert.fail(`answered with ${outcome.status} instead of ${code}: ${outcome.body.toString()}`);
  const error = meshErrorIn(outcome.error);
  if (error === undefined) throw new Error(`no MeshError in the failure, ${code} was expected`, { cause: outcome.error });
  assert.equal(error.code, code, error.message);
  return error;
}
