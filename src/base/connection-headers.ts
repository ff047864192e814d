/** Headers of one connection: HTTP/2 forbids them (RFC 9113, section 8.2.2), and on another they mean nothing (RFC 9110, section 7.6.1). */
export const connectionHeaders: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
];
