/** What a load came to. */
export interface LoadResult {
  readonly ok: number;
  readonly failures: readonly unknown[];
  readonly perSecond: number;
}

/** Sends requests at a steady pace, however long each takes, until it is told to stop. */
export function steadyLoad(
  perSecond: number,
  send: (index: number) => Promise<unknown>,
): { stop(): Promise<LoadResult>; sent(): number } {
  let startMs = performance.now();
  const underWay = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let ok = 0;
  let sent = 0;
  // In slices: what is due by now is sent, so that a busy machine does not lower the pace.
  const timer = setInterval(() => {
    // Only what a machine that stood still has missed is left out: sent at once, it would be another test.
    startMs = Math.max(startMs, performance.now() - ((sent + perSecond / 2) / perSecond) * 1000);
    const due = Math.floor(((performance.now() - startMs) / 1000) * perSecond);
    while (sent < due) {
      const one = send(sent++)
        .then(
          () => void ok++,
          (error: unknown) => void failures.push(error),
        )
        .finally(() => underWay.delete(one));
      underWay.add(one);
    }
  }, 5);
  return {
    sent: () => sent,
    async stop() {
      clearInterval(timer);
      const elapsedMs = performance.now() - startMs;
      await Promise.all(underWay);
      return { ok, failures, perSecond: (sent / elapsedMs) * 1000 };
    },
  };
}
