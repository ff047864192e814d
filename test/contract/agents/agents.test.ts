/** A program cannot tell the agent of a mesh from one of node:http, but by what is listed. */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { Mesh } from 'meshfetch';
import { ordersAt } from '../../support/mesh-of.ts';
import { exchanges, type Ask, type ExchangeRow } from './exchanges.ts';
import { bodyOf, byteServer, headOf, type ByteServer } from './upstream.ts';

interface Told {
  /** What the program is told, in order. */
  readonly events: readonly string[];
  /** What the upstream heard: request line and end-to-end headers, then bodies. */
  readonly heads: readonly (readonly string[])[];
  readonly bodies: readonly string[];
}

describe('the agent of a mesh, beside one of node:http', () => {
  let server: ByteServer;
  let mesh: Mesh;
  const plain = new http.Agent({ keepAlive: true });

  before(async () => {
    server = await byteServer(Object.fromEntries(exchanges.map(({ name, script }) => [name, script])));
    mesh = await ordersAt([`127.0.0.1:${server.port}`], { retry: { maxAttempts: 1 } });
  });
  after(async () => {
    plain.destroy();
    await mesh.close();
    server.close();
  });

  for (const row of exchanges) {
    it(`tells the same: ${row.name}`, async () => {
      const expected = await run(row, { agent: plain, host: '127.0.0.1', port: server.port });
      const actual = await run(row, { agent: mesh.httpAgent, host: 'orders', port: 80 });
      const isCompared = (event: string): boolean => row.differs?.events.some((pattern) => pattern.test(event)) !== true;
      assert.deepEqual(actual.events.filter(isCompared), expected.events.filter(isCompared));
      assert.deepEqual(actual.heads, expected.heads);
      assert.deepEqual(actual.bodies, expected.bodies);
    });
  }

  async function run(row: ExchangeRow, to: { agent: http.Agent; host: string; port: number }): Promise<Told> {
    server.heard.length = 0;
    const events: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const ask: Ask = (options) => {
      const given = { ...to, path: `/${row.name}`, ...options };
      const { headers } = options;
      if (!Array.isArray(headers)) given.headers = Object.assign({ Host: 'orders' }, headers);
      const request = http.request(given);
      record(request, events, resolve);
      return request;
    };
    if (row.send === undefined) ask({}).end();
    else row.send(ask);
    await promise;
    return { events, heads: server.heard.map(headOf), bodies: row.name.startsWith('early') ? [] : server.heard.map(bodyOf) };
  }
});

/** Writes down what is emitted. Whether a request is finished before its response begins is chance. */
function record(request: http.ClientRequest, events: string[], done: () => void): void {
  const told = (what: string): void => void events.push(what);
  const error = (of: string) => (failure: NodeJS.ErrnoException) =>
    told(`${of} error ${failure.code ?? failure.name} ${failure.message}`);
  request.on('continue', () => told('continue'));
  request.on('information', ({ statusCode, rawHeaders }) => told(`information ${statusCode} ${rawHeaders.join('|')}`));
  request.on('timeout', () => told('timeout'));
  request.on('error', error('request'));
  request.on('abort', () => told('abort'));
  request.on('close', () => {
    told(`close ${request.destroyed}`);
    setImmediate(done);
  });
  request.on('upgrade', (response, socket, head) => {
    told(`upgrade ${response.statusCode} ${response.rawHeaders.join('|')}`);
    let text = head.toString();
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith('again')) socket.end();
      else if (text.includes('hello')) socket.write('again');
    });
    socket.on('end', () => told(`tunnel ${text}`));
    socket.on('close', () => {
      told('tunnel closed');
      done();
    });
    socket.write('hello');
  });
  request.on('response', (response) => {
    const { statusCode, statusMessage, httpVersion, rawHeaders } = response;
    const pairs: string[] = [];
    for (let index = 0; index < rawHeaders.length; index += 2) pairs.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
    told(`response ${statusCode} "${statusMessage}" ${httpVersion}`);
    for (const pair of pairs) told(pair);
    let text = '';
    response.setEncoding('latin1');
    response.on('data', (chunk: string) => (text += chunk));
    response.on('aborted', () => told('aborted'));
    response.on('error', error('response'));
    response.on('end', () => told(`end "${text}" ${response.rawTrailers.join('|')} ${response.complete}`));
    response.on('close', () => told('response closed'));
  });
}
