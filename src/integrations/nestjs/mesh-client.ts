import type { Mesh } from '../../mesh-interface.ts';

/** The way to one service: paths are relative to it, and all else is `fetch`. */
export class MeshClient {
  /** `http://orders`. */
  readonly origin: string;
  private readonly mesh: Mesh;

  constructor(mesh: Mesh, service: string) {
    this.mesh = mesh;
    this.origin = originOf(service);
  }

  /** Fetches a path of the service. Throws a TypeError for what would lead to another one. */
  fetch(path: string, init?: RequestInit): Promise<Response> {
    const url = new URL(path, this.origin);
    if (url.origin !== this.origin)
      return Promise.reject(new TypeError(`${JSON.stringify(path)} is not a path of ${this.origin}; write "/orders/42"`));
    return this.mesh.fetch(url, init);
  }

  /** GETs a path and parses its JSON. Rejects with an Error that has the `status` when the service answers no 2xx. */
  async json<T = unknown>(path: string, init?: RequestInit): Promise<T> {
    const response = await this.fetch(path, init);
    if (response.ok) return (await response.json()) as T;
    await response.body?.cancel();
    throw Object.assign(new Error(`${this.origin} answered ${response.status}`), { status: response.status });
  }
}

function originOf(service: string): string {
  const url = URL.parse(service.includes('://') ? service : `http://${service}`);
  if (url === null || url.pathname !== '/' || url.search !== '' || url.username !== '')
    throw new TypeError(
      `${JSON.stringify(service)} is no service; write its name, "orders", or an origin, "https://orders:8443"`,
    );
  return url.origin;
}
