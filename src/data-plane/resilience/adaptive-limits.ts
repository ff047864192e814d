import type { AdaptiveConcurrencyConfig } from '../../model/policy.ts';
import { adaptiveBounds, type AdaptiveAlgorithm, type AdaptiveLimit } from './adaptive-limit.ts';
import { aimd, tookTooLong } from './adaptive-limit-aimd.ts';
import { gradient } from './adaptive-limit-gradient.ts';
import { gradient2 } from './adaptive-limit-gradient2.ts';
import { vegas } from './adaptive-limit-vegas.ts';
import { windowed } from './adaptive-limit-window.ts';

/** The algorithms by name: a new one is a file beside this and a line here. */
export const adaptiveAlgorithms: Readonly<Record<AdaptiveConcurrencyConfig['algorithm'], AdaptiveAlgorithm>> = {
  // Has intervals of its own.
  gradient,
  gradient2: windowed(gradient2),
  vegas: windowed(vegas),
  aimd: windowed(aimd, tookTooLong),
};

/** The adaptive limit of a configuration that the store has checked. */
export function createAdaptiveLimit(config: AdaptiveConcurrencyConfig): AdaptiveLimit {
  return adaptiveAlgorithms[config.algorithm](adaptiveBounds(config));
}
