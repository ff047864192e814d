/**
 * Copies of a request for a mirror: sent and forgotten. A copy is a call of its own (its cluster's limits, balancing and detection
 * hold, and `mesh.close()` waits for it), but it has one attempt, no budget, no caller: its response is read and dropped, and the
 * request it copies neither waits for it nor hears of it. A body that can be read once is copied when it was read to its end and
 * fitted into the record (64 KiB); else there is no copy. Source: Envoy `request_mirror_policies`.
 */
import type { Dispatcher } from 'undici';
import type { Call } from './outbound.ts';
import { overrideHeaders } from './resilience/request-overrides.ts';
import type { CompiledDestination, CompiledMirror, CompiledRoute } from './routing/compiled-route.ts';
import type { EditedRequest } from './routing/edit-request.ts';
import { firstHeader, flatHeaders, headerList, lowerCaseName } from './routing/header-list.ts';
import type { DispatchOptions } from './send-options.ts';
import { isReplayable } from './transport/replay-body.ts';

/** Hears nothing. */
const nobody: Dispatcher.DispatchHandler = {
  onRequestStart() {},
  onResponseStart() {},
  onResponseData() {},
  onResponseEnd() {},
  onResponseError() {},
};

/** Sends a copy of the call's request, as its own endpoint gets it but for the name of the host. */
export function copyTo(mirror: CompiledMirror, call: Call, edited: EditedRequest | undefined, timeoutMs: number): void {
  const { options, replay } = call;
  // A tunnel cannot be copied.
  if (options.upgrade || options.method === 'CONNECT') return;
  const send = (body: DispatchOptions['body']): void => begin(mirror, call, edited, timeoutMs, body);
  if (isReplayable(options.body)) send(options.body);
  else replay?.whenWhole((bytes) => send(bytes));
}

function begin(
  mirror: CompiledMirror,
  call: Call,
  edited: EditedRequest | undefined,
  timeoutMs: number,
  body: DispatchOptions['body'],
): void {
  const { options } = call;
  const entry = call.entry!;
  const asked = call.route!.policy.overrideHeaders;
  const dropped = asked === undefined ? noNames : overrideHeaders[asked];
  const all = headerList(edited === undefined ? options.headers : edited.headers);
  // What the request asks of this mesh is no endpoint's business.
  const headers = all.filter(([name]) => !dropped.has(lowerCaseName(name)));
  const host = edited?.authority ?? firstHeader(headers, 'host') ?? entry.authority;
  const own = {
    path: edited?.path ?? options.path,
    headers: flatHeaders([...headers.filter(isNotHost), ['host', withSuffix(host, mirror.hostSuffix)]]),
  };
  const copy: DispatchOptions = { ...options, ...own, body: body ?? null };
  // Its path has the query in it once it was rewritten.
  if (edited !== undefined) delete copy.query;
  call.copy(copy, nobody, routeOf(mirror, call.route!, timeoutMs));
}

const noNames: ReadonlySet<string> = new Set();

function isNotHost([name]: readonly [string, string]): boolean {
  return lowerCaseName(name) !== 'host';
}

/** The suffix stands before the port, as in Envoy. */
function withSuffix(host: string, suffix: string): string {
  const port = /:\d+$/.exec(host)?.[0] ?? '';
  return `${host.slice(0, host.length - port.length)}${suffix}${port}`;
}

/** What a copy is sent by: to the mirror's cluster alone, once, under the time of the request. */
function routeOf(mirror: CompiledMirror, route: CompiledRoute, timeoutMs: number): CompiledRoute {
  const { slot, subset } = mirror;
  const destination: CompiledDestination = {
    slot,
    subset,
    weight: 1,
    edit: undefined,
    responseEdit: undefined,
    mirrors: [],
    fault: undefined,
    timeoutMs: undefined,
    answer: undefined,
    latency: undefined,
  };
  return {
    ...route,
    destinations: [destination],
    totalWeight: 1,
    policy: {},
    timeoutMs,
    retry: undefined,
    retriesSuccess: false,
    clusterHeader: undefined,
    answer: undefined,
    mirrors: [],
    edit: undefined,
    responseEdit: undefined,
    hash: undefined,
    isPlain: true,
  };
}
