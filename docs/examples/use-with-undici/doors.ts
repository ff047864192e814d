import type { Writable } from 'node:stream';
import { createMesh, type EndpointDispatcher, type Mesh } from 'meshfetch';
import {
  FormData,
  type MockAgent,
  ProxyAgent,
  WebSocket,
  fetch as undiciFetch,
  getGlobalDispatcher,
  request,
  setGlobalDispatcher,
  stream,
} from 'undici';

//#region request
/** undici's `request`: the cheapest door. */
export async function order(mesh: Mesh, id: number): Promise<string> {
  const { statusCode, body } = await request(`http://orders/${id}`, { dispatcher: mesh.dispatcher });
  if (statusCode !== 200) throw new Error(`orders answered ${statusCode}`);
  return body.text(); // read the body, or the connection stays busy
}
//#endregion

//#region stream
/** undici's `stream`: the response goes straight where you want it. */
export async function orderTo(mesh: Mesh, id: number, target: Writable): Promise<void> {
  await stream(`http://orders/${id}`, { method: 'GET', dispatcher: mesh.dispatcher }, () => target);
}
//#endregion

//#region websocket
/** A WebSocket: the mesh chooses the endpoint, then the socket is yours. */
export function live(mesh: Mesh): WebSocket {
  return new WebSocket('ws://orders/live', { dispatcher: mesh.dispatcher });
}
//#endregion

//#region form
/** undici's own `fetch`, for its own classes. With `mesh.fetch` use the `FormData` of Node. */
export async function upload(mesh: Mesh): Promise<number> {
  const form = new FormData();
  form.set('name', 'an order');
  const response = await undiciFetch('http://orders/upload', { method: 'POST', body: form, dispatcher: mesh.dispatcher });
  await response.text();
  return response.status;
}
//#endregion

//#region global
/** The built-in `fetch` of the whole process, and every library that uses it. Returns what puts the old one back. */
export function useEverywhere(mesh: Mesh): () => void {
  const before = getGlobalDispatcher();
  setGlobalDispatcher(mesh.dispatcher);
  return () => setGlobalDispatcher(before);
}
//#endregion

//#region endpoint-mock
/** A mesh whose endpoints are mocks: what it decides is real, and nothing is dialled. */
export function meshOverMocks(mock: MockAgent): Promise<Mesh> {
  mock.get('http://192.0.2.1:80').intercept({ path: '/1' }).reply(503).persist();
  mock.get('http://192.0.2.2:80').intercept({ path: '/1' }).reply(200, 'order 1').persist();
  const orders = { endpoints: ['192.0.2.1:80', '192.0.2.2:80'], retry: { maxAttempts: 2, on: ['5xx' as const] } };
  return createMesh({ controlPlane: { services: { orders } }, endpointDispatcher: () => mock });
}
//#endregion

//#region endpoint-proxy
/** Endpoints of one cluster are reached over a proxy; all others have connections of the mesh. */
export function overProxy(uri: string): EndpointDispatcher {
  const proxy = new ProxyAgent({ uri, proxyTunnel: true });
  return ({ cluster }) => (cluster === 'partner' ? proxy : undefined);
}
//#endregion
