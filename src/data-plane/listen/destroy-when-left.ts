import type { Duplex } from 'node:stream';

/**
 * Destroys a connection whose client leaves, until what it returns is called. Node reads nothing from a connection that asks to leave
 * HTTP before somebody takes it, and so hears of no end; here what comes is read into its buffer, and stays there for whoever takes it.
 * A client that sent more than the buffer holds is noticed when that is read.
 */
export function destroyWhenLeft(socket: Duplex): () => void {
  let buffered = 0;
  const look = (): void => {
    const { readableLength, readableHighWaterMark } = socket;
    // It says `readable` for every piece that came, and once more for the end.
    if (readableLength === buffered && readableLength < readableHighWaterMark) socket.destroy();
    buffered = readableLength;
  };
  socket.on('readable', look);
  return () => void socket.off('readable', look);
}
