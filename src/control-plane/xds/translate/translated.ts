import type { Finding, Findings } from './message.ts';

/** What a translation gave: the value when nothing was wrong, and what was found on the way, by path in the JSON that came in. */
export interface Translated<T> {
  /** Undefined when there are problems. */
  readonly value: T | undefined;
  /** Why the resource cannot be used: wrong types, impossible values, what is required and not there. */
  readonly problems: readonly Finding[];
  /** Fields that were received and have no effect. */
  readonly unhonoured: readonly Finding[];
}

/** The result of a translation, with the fields that nobody read among the findings. */
export function translated<T>(value: T | undefined, findings: Findings): Translated<T> {
  findings.reportUnread();
  const { problems, unhonoured } = findings;
  return { value: problems.length === 0 ? value : undefined, problems, unhonoured };
}
