/** Services that stand in for others whose breaker is open. */
import { suggestion } from '../../base/nearest-name.ts';
import { routesLeadElsewhere, type Services } from './check-routes.ts';
import { shown, type FileProblem } from './file-problem.ts';
import type { ServiceFile } from './schema.ts';

/**
 * A fallback that is no service, has no endpoints, or is the service itself. Two services may stand in for each other: the fallback of a
 * fallback is not asked.
 */
export function* fallbackProblems(services: Services, name: string, { circuitBreaker }: ServiceFile): Generator<FileProblem> {
  const fallback = circuitBreaker?.fallback?.service;
  if (fallback === undefined) return;
  const path = ['services', name, 'circuitBreaker', 'fallback', 'service'];
  if (fallback === name) {
    yield { path, reason: 'it is the service itself, whose breaker is open; name another one, or use `respond`' };
    return;
  }
  if (!services.names.has(fallback)) {
    const reason = `found ${shown(fallback)}; expected the name of a service; ${suggestion(fallback, [...services.names])}`;
    yield { path, reason };
    return;
  }
  const { service: target, isWhole } = services.sound.get(fallback) ?? {};
  if (target === undefined || isWhole !== true) return;
  if (target.endpoints === undefined && target.dns === undefined && routesLeadElsewhere(fallback, target)) {
    const reason = `the service ${shown(fallback)} has no endpoints of its own; name one that has \`endpoints\` or \`dns\``;
    yield { path, reason };
  }
}

/** `fallback` to a service, in `defaults`: it would stand in for itself too, and for hosts outside. */
export function* defaultFallbackProblems({ file }: Services): Generator<FileProblem> {
  if (file.defaults?.circuitBreaker?.fallback?.service === undefined) return;
  yield {
    path: ['defaults', 'circuitBreaker', 'fallback', 'service'],
    reason: 'which service stands in is for each service to say; write it there, or use `respond` here',
  };
}
