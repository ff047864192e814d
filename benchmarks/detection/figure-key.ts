/** Name of a figure of this benchmark. */
export function detectionKey(what: string): string {
  return `detection: ${what}`;
}
