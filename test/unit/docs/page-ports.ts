/** Ports for the programs of a page, which are started one after the other and take a while. */
import { once } from 'node:events';
import { createServer } from 'node:net';

let next = 20_000 + ((process.pid * 37) % 10_000);

/**
 * Free ports in place of those that a page names. They lie below 32768, where Linux takes no port for a connection that goes out, so
 * that they are still free when the last program asks for its own.
 */
export async function portsFor(named: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const ports = new Map<string, number>();
  while (ports.size < named.length) if (await isFree(++next)) ports.set(named[ports.size]!, next);
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
