import type { RetryDenial } from '../telemetry/events.ts';

interface DenialWords {
  /** What follows "not retried, because"; absent where the message says it already. */
  readonly why?: string;
  /** Where the way out is not that of the error itself. */
  readonly remedy?: string;
}

const words: Readonly<Record<RetryDenial, DenialWords>> = {
  attempts: {},
  method: {
    why: 'it may have been processed, and neither its method nor an Idempotency-Key says that it may be repeated',
    remedy:
      'Find out whether the request was processed before you repeat it. For a service that recognises repeated requests, send an `Idempotency-Key` header, or set `retry.nonIdempotent: as-configured`: then the mesh retries.',
  },
  body: {
    why: 'its body cannot be sent again',
    remedy: 'A stream is kept for another attempt up to `retry.maxBodyBytes`: raise it, or send the body as a string or buffer.',
  },
  budget: { why: 'the retry budget is spent' },
  limit: { why: 'as many retries are under way as `limits.maxRetries` allows' },
  deadline: { why: 'its time would be over first' },
  wait: { why: 'the response asks for a longer wait than `retry.maxResetMs`' },
};

/** Why an outcome that the policy would retry was not retried, for the end of a message; `''` without a denial. */
export function denialText(denied: RetryDenial | undefined): string {
  const why = denied === undefined ? undefined : words[denied].why;
  return why === undefined ? '' : `; not retried: ${why}`;
}

/** What to do about it; undefined = what the error itself says. */
export function denialRemedy(denied: RetryDenial | undefined): string | undefined {
  return denied === undefined ? undefined : words[denied].remedy;
}
