import { clusterShape } from '../wire/cluster-shape.ts';
import type { Finding } from '../translate/message.ts';
import type { Judgement } from './kept-resources.ts';
import type { Pace } from './pace.ts';

/** Meshes have dozens. */
const maxShapes = 512;
/** A shorter text of a cluster (a port, a name space) stands in any sentence. */
const leastQuoted = 8;

/**
 * Verdicts on clusters that are good, by their shape: ten thousand clusters that differ in names alone are checked once. One for each
 * source, since what it is told to do with clusters is part of the verdict.
 */
export class ClusterVerdicts {
  private readonly verdicts = new Map<string, Judgement>();

  /** The verdict on a cluster; `check` gives that on one whose like there was none. */
  async of(name: string, bytes: Uint8Array, pace: Pace, check: () => Promise<Judgement>): Promise<Judgement> {
    const shape = clusterShape(bytes);
    // A wrong name is a problem that only a check can tell of.
    if (shape === undefined || shape.name !== name) return check();
    const known = this.verdicts.get(shape.key);
    if (known !== undefined) return known;
    if (pace.isOver) await pace.turn();
    const verdict = await check();
    const { problems, unhonoured, notes } = verdict;
    if (problems.length > 0) return verdict;
    const words = [name, ...shape.texts()].filter(({ length }) => length >= leastQuoted);
    if (quotes(unhonoured, words) || quotes(notes, words)) return verdict;
    if (this.verdicts.size >= maxShapes) this.verdicts.clear();
    this.verdicts.set(shape.key, verdict);
    return verdict;
  }
}

/** Whether findings speak of this very cluster. */
function quotes(findings: readonly Finding[], words: readonly string[]): boolean {
  return findings.some(({ path, reason }) => words.some((word) => path.includes(word) || reason.includes(word)));
}
