/**
 * Whose a request is. One object for the whole process, under a symbol that every copy of this package knows: whichever copy came first
 * has put itself in front of the clients, and those that come later speak through it.
 */
import type { Mesh } from '../../mesh-interface.ts';
import type { Bypass } from './bypass.ts';

/** A mesh that stands in front of the clients of this process. */
export interface Installation {
  readonly mesh: Mesh;
  readonly bypasses: Bypass;
}

/** Who stands in front of the clients; the one that came last is in force. */
export class Steering {
  /** The default mesh is being started, or has been. */
  isStarted = false;
  readonly installations: Installation[] = [];
  /** Takes the clients back when the last one leaves. */
  release: (() => void) | undefined = undefined;

  /** The mesh in force. */
  get mesh(): Mesh | undefined {
    return this.installations.at(-1)?.mesh;
  }

  /**
   * Whether the mesh takes requests to this origin. A promise while the control planes have yet to say; it rejects when they do not in
   * time, with the error that the request then fails with.
   */
  takes(origin: string): boolean | Promise<boolean> {
    const installation = this.installations.at(-1);
    if (installation === undefined) return false;
    const url = URL.parse(origin);
    const defaultPort = url === null ? undefined : defaultPorts[url.protocol];
    if (url === null || defaultPort === undefined) return false;
    const port = url.port === '' ? defaultPort : Number(url.port);
    return !installation.bypasses(url.hostname, port) && installation.mesh.serves(url);
  }
}

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443, 'ws:': 80, 'wss:': 443 };

const key = Symbol.for('meshfetch.register');

/** The one of this process; the first to ask makes it. */
export function steering(): Steering {
  const scope = globalThis as { [key]?: Steering };
  return (scope[key] ??= new Steering());
}
