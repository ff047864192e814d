/** Most that is kept of what an endpoint sends in answer to a check. */
export const maxAnswerBytes = 65_536;

/**
 * Whether `answer` has all these parts in this order, with anything before, between and behind them. Source: Envoy, `TcpHealthCheck`,
 * "fuzzy matching … each binary block must be found, and in the order specified, but not necessarily contiguous".
 */
export function hasInOrder(answer: Buffer, parts: readonly Buffer[]): boolean {
  let from = 0;
  for (const part of parts) {
    const at = answer.indexOf(part, from);
    if (at === -1) return false;
    from = at + part.length;
  }
  return true;
}

/** The bytes of hexadecimal texts. */
export function bytesOf(texts: readonly string[] | undefined): readonly Buffer[] {
  return (texts ?? []).map((text) => Buffer.from(text, 'hex'));
}
