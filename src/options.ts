/**
 * The options of `createMesh`: their types, and the check that names a wrong one. Services, policies and identities are not here;
 * they come from control planes, whose own options each describe themselves.
 */
import { suggestion } from './base/nearest-name.ts';
import type { Clock, Random } from './base/runtime.ts';
import type { MeshFileInput } from './control-plane/file/index.ts';
import type { EndpointDispatcher } from './data-plane/transport/given-connections.ts';
import type { Locality } from './model/cluster.ts';
import type { ControlPlane } from './model/contracts.ts';

/**
 * Where configuration comes from: a path of a YAML or JSON file, a URL (`consul://127.0.0.1:8500`), the contents of such a file as an
 * object, or a {@link ControlPlane} of your own.
 */
export type ControlPlaneInput = string | MeshFileInput | ControlPlane;

/** What `createMesh` takes; all of it is optional. {@link optionTable} has the check of each. */
export interface MeshOptions {
  /** Shown on events and metrics; default `mesh`. */
  readonly name?: string;
  /** One or several, in order of precedence: a host that the first knows is not asked of the second. Default none: DNS. */
  readonly controlPlane?: ControlPlaneInput | readonly ControlPlaneInput[];
  /** What happens to a host that no control plane knows: DNS with the safe defaults, or refusal (MESH_UNKNOWN_HOST). Default `dns`. */
  readonly unknownHosts?: 'dns' | 'refuse';
  /** Longest wait of a first request for the configuration of its service. Default 5000. */
  readonly configTimeoutMs?: number;
  /** How long `close()` lets requests finish. Default 10 000. */
  readonly drainTimeoutMs?: number;
  /**
   * `never`: a request that may have been acted on is sent again only when it is idempotent (RFC 9110, section 9.2.2), whatever a
   * control plane says. Default `as-configured`: its policies are obeyed.
   */
  readonly nonIdempotentRetries?: 'never' | 'as-configured';
  /**
   * Where this process runs, for clusters that are told to prefer endpoints of its own zone (`locality.mode: zone-aware`). Endpoints are
   * told apart by the parts that are named here alone: with `{ zone: 'eu-1' }` their regions do not matter. Default: not said, and
   * every zone is alike.
   */
  readonly locality?: Locality;
  /**
   * Asked once for each endpoint before its first request: the dispatcher that reaches it, in place of connections of the mesh. For mocks,
   * proxies and unix sockets. Such a dispatcher is not closed by the mesh, and secures its connections by itself: the mesh's identity and
   * the `tls` of the cluster play no part in them. Default: none.
   */
  readonly endpointDispatcher?: EndpointDispatcher;
  /** Time, for tests. */
  readonly clock?: Clock;
  /** Chance, for tests. */
  readonly random?: Random;
}

interface OptionRule {
  readonly doc: string;
  readonly isValid: (value: unknown) => boolean;
  readonly expected: string;
}

const isDuration = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= 86_400_000;

const localityParts: ReadonlySet<string> = new Set(['region', 'zone', 'subZone'] satisfies (keyof Locality)[]);

function isLocality(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const parts = Object.entries(value).filter(([, part]) => part !== undefined);
  return parts.length > 0 && parts.every(([key, part]) => localityParts.has(key) && typeof part === 'string' && part !== '');
}

/** One row for each option: the check, its words, and the reference page. */
export const optionTable: { readonly [K in keyof Required<MeshOptions>]: OptionRule } = {
  name: {
    doc: 'Shown on events and metrics. Default `mesh`.',
    isValid: (value) => typeof value === 'string' && value !== '',
    expected: 'a text that is not empty',
  },
  controlPlane: {
    doc: 'Path, URL, object or ControlPlane; or a list of them in order of precedence. Default none: DNS.',
    isValid: (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
    expected: 'a path, a URL, an object or a list of them',
  },
  unknownHosts: {
    doc: 'Hosts that no control plane knows: `dns` or `refuse`. Default `dns`; a file may say it too.',
    isValid: (value) => value === 'dns' || value === 'refuse',
    expected: '"dns" or "refuse"',
  },
  configTimeoutMs: {
    doc: 'Longest wait of a first request for the configuration of its service. Default 5000.',
    isValid: isDuration,
    expected: 'milliseconds, 0 to 86400000',
  },
  drainTimeoutMs: {
    doc: 'How long `close()` lets requests finish. Default 10000.',
    isValid: isDuration,
    expected: 'milliseconds, 0 to 86400000',
  },
  nonIdempotentRetries: {
    doc: 'Requests that are not idempotent and may have been acted on: `never` sent again, whatever a policy says, or `as-configured` in each policy (`retry.nonIdempotent`, which does not repeat them unless told to). Default `as-configured`.',
    isValid: (value) => value === 'never' || value === 'as-configured',
    expected: '"never" or "as-configured"',
  },
  locality: {
    doc: 'Where this process runs, for clusters that prefer endpoints of its own zone. Endpoints are told apart by the parts that are named here alone. Default: not said, and every zone is alike.',
    isValid: isLocality,
    expected: '{ region, zone, subZone }, each a text that is not empty, or left out',
  },
  endpointDispatcher: {
    doc: 'A function that gives the undici dispatcher which reaches an endpoint, in place of connections of the mesh: for mocks, proxies and unix sockets. It gets `{ address, port, cluster, origin, isSecure }`; `undefined` = the mesh’s own connections. Such a dispatcher secures its connections by itself. Default: none.',
    isValid: (value) => typeof value === 'function',
    expected: 'a function that gives an undici Dispatcher or undefined',
  },
  clock: { doc: 'Time, for tests.', isValid: (value) => typeof value === 'object' && value !== null, expected: 'a Clock' },
  random: {
    doc: 'Chance, for tests.',
    isValid: (value) => typeof value === 'function',
    expected: 'a function that gives a number in [0, 1)',
  },
};

/** Throws a TypeError that names the option, what was found and what is right. */
export function checkOptions(options: unknown): asserts options is MeshOptions {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('createMesh takes an object of options; see docs/reference/options.md');
  for (const [key, value] of Object.entries(options)) {
    if (!Object.hasOwn(optionTable, key)) {
      const hint = key === 'services' ? 'put it under controlPlane: { services: … }' : suggestion(key, Object.keys(optionTable));
      throw new TypeError(`createMesh has no option "${key}"; ${hint}`);
    }
    const rule = optionTable[key as keyof MeshOptions];
    if (value !== undefined && !rule.isValid(value)) throw new TypeError(`the option "${key}" must be ${rule.expected}`);
  }
}
