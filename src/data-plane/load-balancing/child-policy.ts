/** What policies that wrap another one share: which one, with which options. */
import { MeshError } from '../../base/errors.ts';
import { nearestName } from '../../base/nearest-name.ts';
import type { LoadBalancingPolicy, OptionsSchema } from '../../model/contracts.ts';
import { refuseUnknownOptions } from './policy-options.ts';

/** Policies by name. */
export type PolicyTable = ReadonlyMap<string, LoadBalancingPolicy>;

/** The policy inside, with its options. */
export interface ChildPolicy {
  readonly policy: LoadBalancingPolicy;
  readonly options: unknown;
}

/** Balances where a wrapper does not say otherwise: the default of all clusters. */
const defaultChild = 'least-request';

/** Reads `child: { policy, options }`. Throws with the path for a policy that cannot be inside. */
export function childOption(given: Readonly<Record<string, unknown>> | undefined, path: string, inner: PolicyTable): ChildPolicy {
  const child = given?.['child'] ?? {};
  const at = `${path}.child`;
  if (typeof child !== 'object' || child === null || Array.isArray(child))
    throw new MeshError('MESH_CONFIG_INVALID', `${at} is ${JSON.stringify(child)}; it must be { policy, options }`);
  refuseUnknownOptions(child as Record<string, unknown>, ['policy', 'options'], at);
  const { policy: name = defaultChild, options } = child as { readonly policy?: unknown; readonly options?: unknown };
  const policy = typeof name === 'string' ? inner.get(name) : undefined;
  if (policy === undefined) {
    const near = typeof name === 'string' ? nearestName(name, [...inner.keys()]) : undefined;
    const remedy = near === undefined ? `it must be one of ${[...inner.keys()].join(', ')}` : `did you mean ${near}?`;
    throw new MeshError('MESH_CONFIG_INVALID', `${at}.policy is ${JSON.stringify(name)}; ${remedy}`);
  }
  if (options !== undefined && (typeof options !== 'object' || options === null || Array.isArray(options)))
    throw new MeshError('MESH_CONFIG_INVALID', `${at}.options is ${JSON.stringify(options)}; it must be an object`);
  return { policy, options: policy.options.parse(options as Record<string, unknown> | undefined, `${at}.options`) };
}

/** `child` on the reference page. */
export const childField: OptionsSchema<unknown>['fields'][number] = {
  name: 'child',
  type: '{ policy, options }',
  default: '`least-request`',
  doc: 'The policy inside, with its own options.',
};
