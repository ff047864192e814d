/** The sources in one sentence, for the error of a request that waited for them in vain. `awaits`: what a source waits for itself. */
export function describeSources(
  statuses: readonly { readonly source: string; readonly state: string; readonly error?: string | undefined }[],
  awaits: (source: string) => string | undefined = () => undefined,
): string {
  return statuses
    .map(({ source, state, error }) => {
      const awaited = awaits(source);
      const details = [...(error === undefined ? [] : [error]), ...(awaited === undefined ? [] : [`it waits for ${awaited}`])];
      return `${source} is ${state}${details.length === 0 ? '' : ` (${details.join('; ')})`}`;
    })
    .join(', ');
}
