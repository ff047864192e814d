/** Services that stand in for others whose breaker is open. */
import { suggestion } from '../../base/nearest-name.ts';
import { routesLeadElsewhere, type Services } from './check-routes.ts';
import { shown, type FileProblem } from './file-problem.ts';
import type { ServiceFile } from './schema.ts';

/** A fallback that is no service, has no endpoints, or leads round in a circle. */
export function* fallbackProblems(services: Services, name: string, { circuitBreaker }: ServiceFile): Generator<FileProblem> {
  const fallback = circuitBreaker?.fallback?.service;
  if (fallback === undefined) return;
  const path = ['services', name, 'circuitBreaker', 'fallback', 'service'];
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
  const way = wayFrom(services, name);
  if (way.at(-1) === name)
    yield { path, reason: `it leads back to the service: ${way.join(' → ')}; let the last of them answer with \`respond\`` };
}

/** `fallback` to a service, in `defaults`: it would stand in for itself too, and for hosts outside. */
export function* defaultFallbackProblems({ file }: Services): Generator<FileProblem> {
  if (file.defaults?.circuitBreaker?.fallback?.service === undefined) return;
  yield {
    path: ['defaults', 'circuitBreaker', 'fallback', 'service'],
    reason: 'which service stands in is for each service to say; write it there, or use `respond` here',
  };
}

/** The fallbacks one after the other, until one has none or is there already. */
function wayFrom({ sound }: Services, start: string): string[] {
  const way = [start];
  for (;;) {
    const next = sound.get(way.at(-1)!)?.service.circuitBreaker?.fallback?.service;
    if (next === undefined) return way;
    const isKnown = way.includes(next);
    way.push(next);
    if (isKnown) return way;
  }
}
