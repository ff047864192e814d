import type { OptionsSchema } from '../../model/contracts.ts';
import { numberOption } from './policy-options.ts';

type Field = OptionsSchema<unknown>['fields'][number];

/** Shared by the policies that hash. */
export const useHostnameField: Field = {
  name: 'useHostname',
  type: 'boolean',
  default: 'false (Envoy)',
  doc: 'Place endpoints by their host names instead of their addresses. A `hash_key` in the metadata of an endpoint wins over both.',
};

/** Shared by the policies that hash. */
export const balanceFactorField: Field = {
  name: 'balanceFactorPercent',
  type: 'number ≥ 100',
  default: 'none (Envoy)',
  doc: 'A host with more than this percentage of its share of the requests in flight passes further ones on; 120 to 200 are usual.',
};

/** The factor by which loads are bounded; 0 = they are not. The least one is Envoy's. */
export function balanceFactorOption(options: Readonly<Record<string, unknown>> | undefined, path: string): number {
  return numberOption(options, 'balanceFactorPercent', path, { min: 100, max: 2 ** 32 - 1, integer: true, fallback: 0 });
}
