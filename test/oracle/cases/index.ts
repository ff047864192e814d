import type { OracleCase } from '../oracle-case.ts';
import { actionCases } from './action.ts';
import { balanceCases } from './balance.ts';
import { failureCases } from './failure.ts';
import { internalRedirectCases } from './internal-redirect.ts';
import { limitCases } from './limit.ts';
import { matchCases } from './match.ts';
import { outlierCases } from './outlier.ts';
import { overrideCases } from './override.ts';
import { priorityCases } from './priority.ts';
import { retryHostCases } from './retry-hosts.ts';
import { retryCases } from './retry.ts';
import { rewriteCases } from './rewrite.ts';
import { timeCases } from './time.ts';

/** All cases. Their names are their domains, so no two may share one. */
export const oracleCases: readonly OracleCase[] = [
  ...matchCases,
  ...rewriteCases,
  ...actionCases,
  ...internalRedirectCases,
  ...retryCases,
  ...retryHostCases,
  ...overrideCases,
  ...timeCases,
  ...balanceCases,
  ...priorityCases,
  ...outlierCases,
  ...limitCases,
  ...failureCases,
];
