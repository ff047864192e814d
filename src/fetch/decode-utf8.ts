const decoder = new TextDecoder();

/**
 * Text of UTF-8 bytes as fetch reads it: invalid sequences become U+FFFD, a byte order mark is stripped.
 * Node's fetch strips a second one too (it strips one, then decodes by a TextDecoder, which strips one); so does this.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return decoder.decode(marked ? bytes.subarray(3) : bytes);
}
