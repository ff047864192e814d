/** Draws from the distributions of queueing, by a seeded {@link Random}: the same seed gives the same run, number for number. */
import { seededRandom, type Random } from '../../src/base/runtime.ts';

/** Chance of its own for each part of a simulation, so that one more draw in one part does not change the others. */
export function chanceOf(seed: number, part: string): Random {
  // FNV-1a over the name, then over the seed.
  let hash = 0x811c9dc5;
  for (const letter of `${part}\0${seed}`) hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193);
  return seededRandom(hash >>> 0);
}

/** Time between events that know nothing of each other. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean;
}

/** Mean 0, standard deviation 1. Source: Box and Muller 1958. */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Never below `least`; exceeded `x` times over with probability `x^-shape`. Shapes up to 2 have no finite variance. */
export function pareto(random: Random, least: number, shape: number): number {
  return least / (1 - random()) ** (1 / shape);
}

/** Which of these, each by its share. */
export function drawByShare<T>(shares: readonly (readonly [T, number])[], random: Random): T {
  let ticket = random() * shares.reduce((sum, [, share]) => sum + share, 0);
  for (const [each, share] of shares) if ((ticket -= share) < 0) return each;
  return shares.at(-1)![0];
}
