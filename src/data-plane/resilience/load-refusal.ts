import type { Criticality } from '../../base/request-context.ts';
import type { LimitRefusal } from './limits.ts';

/** Refused by the adaptive limit. A class is named only where somebody gave the request one. */
export function adaptiveRefusal(
  count: number,
  max: number,
  algorithm: string,
  criticality: Criticality | undefined,
): LimitRefusal {
  const whose = criticality === undefined ? '' : ` for ${criticality} ones`;
  return {
    reason: `${count} requests in flight, the ${algorithm} limit${whose} is ${max} now (limits.adaptive)`,
    remedy:
      'The limit follows the latency of the service and rises by itself: find out why the service is slow, or add endpoints; `limits.adaptive.minLimit` is the least that it falls to.',
    details: { limit: 'limits.adaptive', algorithm, count, max, ...(criticality === undefined ? {} : { criticality }) },
  };
}

/** Refused by the throttle, because the service itself refuses most requests. */
export function throttleRefusal(refusedPercent: number, criticality: Criticality | undefined): LimitRefusal {
  const whose = criticality === undefined ? 'requests' : `${criticality} ones`;
  return {
    reason: `the service refuses most requests, so ${refusedPercent} % of the ${whose} are refused here (limits.throttle)`,
    remedy:
      'The service refuses requests for its load, and there is nothing to raise here: find out why in its logs, add endpoints, or send less; requests go through again as it accepts them.',
    details: { limit: 'limits.throttle', refusedPercent, ...(criticality === undefined ? {} : { criticality }) },
  };
}
