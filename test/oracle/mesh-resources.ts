import { translateResources } from '../../src/control-plane/xds/translate/resources.ts';
import type { Problem } from '../../src/model/contracts.ts';
import type { Resource } from '../../src/model/snapshot.ts';
import { listenerOf, staticResources } from './envoy-resources.ts';
import type { OracleCase } from './oracle-case.ts';

/**
 * What a case configures, in the words of the model: the JSON that Envoy gets, through the translator. Throws when a resource is
 * refused.
 */
export function meshResources(
  oracleCase: OracleCase,
  portOf: (endpoint: string) => number,
): { readonly resources: readonly Resource[]; readonly unhonoured: readonly Problem[] } {
  // As JSON, so that fields without a value are left out for both.
  const bootstrap = JSON.parse(JSON.stringify(staticResources([oracleCase], portOf))) as unknown;
  const { resources, problems, unhonoured } = translateResources([bootstrap]);
  if (problems.length > 0) throw new Error(problems.map(({ path, reason }) => `${path} ${reason}`).join('\n'));
  const unused = listenerOf(oracleCase) === 'shared' ? undefined : 'shared';
  return { resources: resources.filter(({ kind, name }) => kind !== 'listener' || name !== unused), unhonoured };
}
