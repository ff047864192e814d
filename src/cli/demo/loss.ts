/** Why requests of the demo were lost, and what was known of the endpoints then: what to look at when it happens. */
import { isMeshError } from '../../base/errors.ts';
import type { MeshStatus } from '../../admin/status.ts';

/** Why a request was lost: what the mesh of the process `at` said, or who else did. */
export interface Loss {
  readonly at: string;
  /** Code of the MeshError, or the name of another error. */
  readonly code: string;
  /** Envoy response flags. */
  readonly flags: string;
  readonly message: string;
}

/** An endpoint as the mesh of the process `at` sees it. */
export interface EndpointState {
  readonly at: string;
  readonly cluster: string;
  readonly address: string;
  readonly state: string;
  readonly requests: number;
  readonly failures: number;
}

/** The reason of a `fetch` that rejected in the process `at`. */
export function lossFrom(error: unknown, at: string): Loss {
  const cause = (error as Error).cause ?? error;
  if (isMeshError(cause)) return { at, code: cause.code, flags: cause.flags, message: cause.message };
  const { name, message } = cause as Error;
  return { at, code: name ?? 'Error', flags: '-', message: message ?? String(cause) };
}

/** What the process that answered with an error said of it; a text that is none of ours is the message. */
export function lossFromBody(text: string, status: number, at: string): Loss {
  try {
    const body = JSON.parse(text) as Partial<Loss>;
    if (body.code !== undefined && body.at !== undefined) return body as Loss;
  } catch {
    // No JSON: somebody else answered.
  }
  return { at, code: String(status), flags: '-', message: text };
}

/** Those of the same kind together, the most first, each with its first message. */
export function lossesByKind(losses: readonly Loss[]): readonly (Loss & { readonly count: number })[] {
  return [...Map.groupBy(losses, ({ at, code, flags }) => `${at} ${code} ${flags}`).values()]
    .map((alike) => ({ ...alike[0]!, count: alike.length }))
    .sort((a, b) => b.count - a.count);
}

/** The endpoints that the mesh of `at` knows. */
export function endpointStates({ clusters }: MeshStatus, at: string): readonly EndpointState[] {
  return clusters.flatMap(({ name, endpoints }) =>
    endpoints.map(({ address, state, requests, failures }) => ({ at, cluster: name, address, state, requests, failures })),
  );
}

/** Losses by kind and the endpoints behind them, as lines of the summary. `nameOf` names an endpoint. */
export function lossLines(
  losses: ReturnType<typeof lossesByKind>,
  endpoints: readonly EndpointState[],
  nameOf: (address: string) => string,
): string[] {
  return [
    ...losses.map(({ count, at, code, flags, message }) => `    ${count} × ${code} (${flags}) at ${at}, the first: ${message}`),
    ...(endpoints.length === 0 ? [] : ['  the endpoints at the end:']),
    ...endpoints.map(
      ({ at, cluster, address, state, requests, failures }) =>
        `    ${at} → ${cluster} → ${nameOf(address)}: ${state}, ${failures} of ${requests} failed`,
    ),
  ];
}
