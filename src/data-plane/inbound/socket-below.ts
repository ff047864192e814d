/** The socket that carries a request. What a server shows of HTTP/2 (a stream, a session's proxy) only stands in for it. */
const below = Symbol('meshfetch.socket-below');

/** The socket below a stream or a session that stands in for one; of anything else, itself. */
export function socketBelow(standIn: object): object {
  return (standIn as { readonly [below]?: object })[below] ?? standIn;
}

/** Makes `standIn` one that stands in for `socket`. */
export function standInFor(socket: object, standIn: object): void {
  (standIn as { [below]?: object })[below] = socket;
}
