// oxlint-disable import/no-named-as-default-member -- as its users write it
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import axios, { type AxiosInstance } from 'axios';
import got, { type Got } from 'got';
import { isMeshError, type Mesh } from 'meshfetch';
import { WebSocket } from 'ws';

//#region axios
/** An axios whose requests go through the mesh. */
export function axiosOver({ httpAgent, httpsAgent }: Mesh): AxiosInstance {
  return axios.create({ httpAgent, httpsAgent, proxy: false }); // no HTTP_PROXY on the way to the mesh
}
//#endregion

//#region got
/** A got whose requests go through the mesh. */
export function gotOver({ httpAgent, httpsAgent }: Mesh): Got {
  return got.extend({ agent: { http: httpAgent, https: httpsAgent }, retry: { limit: 0 } }); // the mesh retries, with a budget
}
//#endregion

//#region http
/** node:http itself. */
export async function order(mesh: Mesh, id: number): Promise<string> {
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http.get(`http://orders/${id}`, { agent: mesh.httpAgent }, resolve).on('error', reject);
  });
  return text(response);
}
//#endregion

//#region aws
/** The `requestHandler` of every client of the AWS SDK for JavaScript, version 3: `new S3Client({ requestHandler })`. */
export function requestHandlerOver({ httpAgent, httpsAgent }: Mesh): NodeHttpHandler {
  return new NodeHttpHandler({ httpAgent, httpsAgent });
}
//#endregion

//#region ws
/** A WebSocket of the package `ws`: the mesh chooses the endpoint, then the connection is yours. */
export function live(mesh: Mesh): WebSocket {
  return new WebSocket('ws://orders/live', { agent: mesh.httpAgent });
}
//#endregion

//#region errors
/** Why a request failed: libraries wrap what node:http tells them, and keep it as the cause. */
export function reasonOf(error: unknown): string {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (isMeshError(each)) return `${each.code}: ${each.remedy}`;
  }
  return String(error);
}
//#endregion
