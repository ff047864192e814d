import { knownDifferences, type KnownDifference } from './differences.ts';

/** Tells listed differences from others, and remembers which of the list have been seen. */
export class DifferenceList {
  private readonly patterns = knownDifferences.flatMap((known) =>
    known.where.map((where) => ({ where, known, regex: regexOf(where), isSeen: false })),
  );

  /** The entry for a difference at `where`, or undefined when it is news. */
  find(where: string): KnownDifference | undefined {
    const found = this.patterns.filter(({ regex }) => regex.test(where));
    for (const pattern of found) pattern.isSeen = true;
    return found[0]?.known;
  }

  /** Entries for cases that ran, without a difference. */
  unseen(ran: readonly string[]): readonly string[] {
    const isOfRun = (where: string): boolean => ran.some((name) => regexOf(where.split('#')[0]!).test(name));
    return this.patterns.filter(({ where, isSeen }) => !isSeen && isOfRun(where)).map(({ where }) => where);
  }
}

function regexOf(pattern: string): RegExp {
  const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`);
}
