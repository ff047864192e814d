/** Reads a body as text, up to `maxBytes`; `whole` is false when there was more. A broken body rejects with `onError`'s error. */
export async function readCapped(
  body: AsyncIterable<Uint8Array> & { destroy?: () => unknown },
  maxBytes: number,
  onError: (error: unknown) => unknown,
): Promise<{ readonly text: string; readonly whole: boolean }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.byteLength;
      // Leaving the loop destroys the stream, and with it the connection.
      if (size > maxBytes) break;
    }
  } catch (error) {
    throw onError(error);
  }
  return { text: Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8'), whole: size <= maxBytes };
}

/** The beginning of a remote text, on one line and without control characters, for use in messages. */
export function shortText(text: string, maxLength = 200): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return line.length > maxLength ? `${line.slice(0, maxLength)}…` : line;
}
