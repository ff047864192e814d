import type { OracleRequest } from './ask-envoy.ts';
import type { Observation } from './observation.ts';
import { domainOf, named, type Ask, type OracleCase } from './oracle-case.ts';
import type { Upstreams } from './upstreams.ts';

/** Sends one request through one side. Resolves when the answer is here, with what tells all that is known of it then. */
export type Sender = (request: OracleRequest) => Promise<() => Promise<Observation>>;

/** `{a}` stands for the endpoint a as Envoy's session cookies and headers name it: its address in base64. */
function withSessions(headers: Readonly<Record<string, string>>, upstreams: Upstreams): Record<string, string> {
  const addressOf = (_: string, name: string): string => Buffer.from(`127.0.0.1:${upstreams.port(name)}`).toString('base64');
  return Object.fromEntries(Object.entries(headers).map(([key, value]) => [key, value.replace(/\{(\w)\}/, addressOf)]));
}

const wait = (delayMs: number | undefined): Promise<void> | undefined =>
  delayMs === undefined ? undefined : new Promise((resolve) => setTimeout(resolve, delayMs));

async function sendLater(send: Sender, request: OracleRequest, delayMs: number): ReturnType<Sender> {
  if (delayMs > 0) await wait(delayMs);
  return send(request);
}

/** Makes the requests of one ask through one side. `side` and `index` make their ids. */
export async function runAsk(
  oracleCase: OracleCase,
  ask: Ask,
  { side, index, upstreams, send }: { side: string; index: number; upstreams: Upstreams; send: Sender },
): Promise<readonly Observation[]> {
  await wait(ask.pauseMs);
  const requests = Array.from({ length: ask.times ?? 1 }, (_, number): OracleRequest => {
    const id = `${oracleCase.name}/${index}/${number}/${side}`;
    upstreams.script(id, ask.script);
    return {
      id,
      method: ask.method ?? 'GET',
      host: ask.host ?? domainOf(oracleCase),
      path: ask.path ?? '/',
      headers: withSessions(named(oracleCase, { 'user-agent': 'oracle', accept: '*/*', ...ask.headers }), upstreams),
      bodyBytes: ask.bodyBytes ?? 0,
      abortAfterMs: ask.abortAfterMs,
    };
  });
  const answered: (() => Promise<Observation>)[] = [];
  if (ask.together === true)
    answered.push(
      ...(await Promise.all(requests.map((request, number) => sendLater(send, request, number * (ask.everyMs ?? 0))))),
    );
  else for (const request of requests) answered.push(await send(request));
  await wait(ask.settleMs);
  return Promise.all(answered.map((read) => read()));
}
