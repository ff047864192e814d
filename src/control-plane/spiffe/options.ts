import { suggestion } from '../../base/nearest-name.ts';
import { systemClock, systemRandom, type Clock, type Random } from '../../base/runtime.ts';
import { parseSpiffeId, spiffeIdProblem } from '../../security/spiffe-id.ts';
import { endpointVariable, readEndpoint, type WorkloadEndpoint } from './endpoint.ts';
import type { SvidChoice } from './material.ts';

/** Options of {@link spiffeControlPlane} and {@link spiffeIdentity}. */
export interface SpiffeOptions {
  /** `unix:///run/spire/agent.sock` or `tcp://127.0.0.1:8081`. Default: environment variable SPIFFE_ENDPOINT_SOCKET. */
  readonly endpoint?: string;
  /** Name of the source, and of its identity: what `tls.identity` of a service says. Default `spiffe`. */
  readonly name?: string;
  /** Which of several SVIDs is ours, by what its registration has as hint. Default: the first one. */
  readonly hint?: string;
  /** Which of several SVIDs is ours, by its SPIFFE ID. */
  readonly spiffeId?: string;
  /** This process has no identity and only verifies others (`tls.mode: simple`). Default false. */
  readonly bundlesOnly?: boolean;
  /** Time, for tests. */
  readonly clock?: Clock;
  /** Chance, for tests. */
  readonly random?: Random;
}

/** Options, checked and with their defaults. */
export interface SpiffeSettings {
  readonly endpoint: WorkloadEndpoint;
  readonly name: string;
  readonly choice: SvidChoice;
  readonly bundlesOnly: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

const optionNames = ['endpoint', 'name', 'hint', 'spiffeId', 'bundlesOnly', 'clock', 'random'];

/** Checks options. Throws a TypeError that names the wrong one. */
export function spiffeSettings(
  options: SpiffeOptions,
  environment: Readonly<Record<string, string | undefined>>,
): SpiffeSettings {
  for (const key of Object.keys(options))
    if (!optionNames.includes(key)) throw new TypeError(`spiffe.${key}: no such option; ${suggestion(key, optionNames)}`);
  const { bundlesOnly = false, clock = systemClock, random = systemRandom } = options;
  const hint = text(options.hint, 'hint');
  const spiffeId = text(options.spiffeId, 'spiffeId');
  if (spiffeId !== undefined) {
    const problem = spiffeIdProblem(spiffeId) ?? (parseSpiffeId(spiffeId).path === '' ? 'it names no workload' : undefined);
    if (problem !== undefined) throw new TypeError(`spiffe.spiffeId: not the SPIFFE ID of a workload: ${problem}`);
  }
  if (typeof bundlesOnly !== 'boolean') throw new TypeError('spiffe.bundlesOnly: must be true or false');
  if (bundlesOnly && (hint !== undefined || spiffeId !== undefined))
    throw new TypeError('spiffe.bundlesOnly: a process without an SVID has none to choose; leave `hint` and `spiffeId` out');
  return {
    endpoint: endpointOf(text(options.endpoint, 'endpoint'), environment),
    name: text(options.name, 'name') ?? 'spiffe',
    choice: { ...(hint !== undefined && { hint }), ...(spiffeId !== undefined && { spiffeId }) },
    bundlesOnly,
    clock,
    random,
  };
}

function endpointOf(option: string | undefined, environment: Readonly<Record<string, string | undefined>>): WorkloadEndpoint {
  if (option !== undefined) return readEndpoint(option, 'spiffe.endpoint');
  const variable = environment[endpointVariable];
  if (variable !== undefined && variable !== '') return readEndpoint(variable, endpointVariable);
  throw new TypeError(
    `spiffe: where the Workload API is, is not said; set ${endpointVariable} or \`endpoint\` to unix:///path/of/the/socket`,
  );
}

function text(value: string | undefined, option: string): string | undefined {
  if (value !== undefined && (typeof value !== 'string' || value === ''))
    throw new TypeError(`spiffe.${option}: must be a non-empty string`);
  return value;
}
