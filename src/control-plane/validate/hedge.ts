import { nearestName } from '../../base/nearest-name.ts';
import type { HedgeConfig } from '../../model/policy.ts';
import { printed, type Check } from './check.ts';
import { gRpcFailureNames } from './grpc-status.ts';

/** Attempts of one request at most: with `delayMs` 0 all of them start at once. gRFC A6 takes 5 for whatever is more. */
const maxHedgedAttempts = 100;

/** Checks when another attempt starts beside one that is under way. */
export function checkHedge(check: Check, hedge: HedgeConfig): void {
  check.flag('onPerTryTimeout', hedge.onPerTryTimeout);
  check.durationMs('delayMs', hedge.delayMs);
  check.whole('maxAttempts', hedge.maxAttempts, 1, maxHedgedAttempts);
  check.each('nonFatalStatuses', hedge.nonFatalStatuses, (inner, status) => {
    const name = typeof status === 'string' ? status.toLowerCase().replaceAll('_', '-') : ''; // gRFC A6 writes UNAVAILABLE, and takes the number too
    if ((gRpcFailureNames as readonly string[]).includes(name) || /^(?:[1-9]|1[0-6])$/.test(name)) return;
    const near = nearestName(name, gRpcFailureNames);
    inner.reject(`${printed(status)} is no status of gRPC${near === undefined ? '' : `; did you mean ${near}?`}`);
  });
  check.within('backup', hedge.backup, (inner, backup) => {
    inner.number('maxExtraLoadPercent', backup.maxExtraLoadPercent ?? null, 0, 100);
    inner.durationMs('minDelayMs', backup.minDelayMs);
  });
}
