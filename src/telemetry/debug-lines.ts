/**
 * The events as lines for a human at three in the morning:
 *
 *   #42 GET orders/api/42 → route "v2" → cluster orders/v2 → 10.0.0.7:7002 → 503 UC; retry 1/2 in 13 ms (reset, budget 9.1 left)
 *
 * Whatever comes from outside (paths, names, reasons) has its control and formatting characters escaped and its length capped, so
 * that no request can forge a line or reverse one.
 */
import type { Problem } from '../model/contracts.ts';
import type {
  BreakerEvent,
  ConfigAppliedEvent,
  EventName,
  EventPayloads,
  FailureType,
  RequestEndEvent,
  RequestEvent,
  RetryDenial,
} from './events.ts';
import { flagsOf } from './failure.ts';
import { inboundLines } from './inbound-debug-lines.ts';
import { milliseconds, printable } from './printable.ts';

/** Longest line, in characters. */
const maxLineLength = 1000;
/** Longest error of a control plane, which lists mistakes. */
const maxErrorLength = 700;
/** Problems or resources of one update that are printed; the rest is counted. */
const maxProblems = 5;

/** A text of several lines as one sentence. */
function onOneLine(text: string): string {
  return printable(text.replaceAll(/:\s*\n\s*/g, ': ').replaceAll(/\s*\n\s*/g, '; '), maxErrorLength);
}

/** `GET orders/api/42 → route "v2" → cluster orders/v2 → 10.0.0.7:7002`, as far as the request came. */
function way(event: RequestEvent): string {
  const isDefaultPort = event.port === (event.scheme === 'https' ? 443 : 80);
  const steps = [
    `#${event.request} ${printable(event.method)} ${printable(event.host)}${isDefaultPort ? '' : `:${event.port}`}${printable(event.path)}`,
  ];
  if (event.route !== undefined) steps.push(`route "${printable(event.route)}"`);
  if (event.cluster !== undefined) steps.push(`cluster ${printable(event.cluster)}`);
  if (event.endpoint !== undefined) steps.push(printable(event.endpoint));
  return steps.join(' → ');
}

/** `503 UC`, `UF`, `200`, `cancelled`. */
function result(status: number | undefined, error: FailureType | undefined, flags: string): string {
  const words = [];
  if (status !== undefined) words.push(String(status));
  if (flags !== '-') words.push(flags);
  if (error !== undefined) words.push(error);
  return words.join(' ') || 'no response';
}

/** `2026-11-22 15:03:18 UTC` */
function utc(epochMs: number): string {
  return `${new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium', timeZone: 'UTC' }).format(epochMs)} UTC`;
}

function left(budget: number | undefined): string {
  return budget === undefined ? '' : `, budget ${Math.round(budget * 10) / 10} left`;
}

function problems(list: readonly Problem[]): string {
  const shown = list.slice(0, maxProblems).map(({ key, path, reason }) => {
    return `${printable(`${key.kind} ${key.name}`)}${path === '' ? '' : ` at ${printable(path)}`}: ${printable(reason)}`;
  });
  if (list.length > maxProblems) shown.push(`and ${list.length - maxProblems} more`);
  return shown.join('; ');
}

/** `1 resource (cluster orders)`. */
function applied({ accepted, resources }: ConfigAppliedEvent): string {
  const count = `${accepted} ${accepted === 1 ? 'resource' : 'resources'}`;
  if (accepted === 0) return count;
  const names = resources.slice(0, maxProblems).map(({ kind, name }) => printable(`${kind} ${name}`));
  return `${count} (${names.join(', ')}${accepted > names.length ? ` and ${accepted - names.length} more` : ''})`;
}

const denials: Readonly<Record<RetryDenial, string>> = {
  budget: 'the retry budget is spent',
  attempts: 'all attempts are used',
  method: 'the method is not idempotent and the endpoint may have seen the request',
  body: 'the body cannot be sent again',
  deadline: 'no time is left',
  limit: 'too many retries are running',
  wait: 'the response asks for a longer wait than retry.maxResetMs',
};

function breaker(what: string): (event: BreakerEvent) => string {
  return (event) => {
    const whose = event.endpoint === undefined ? '' : ` → ${printable(event.endpoint)}`;
    const why = event.reason === undefined ? '' : `: ${printable(event.reason)}`;
    const until = event.openMs === undefined ? '' : `, probe in ${milliseconds(event.openMs)}`;
    return `breaker of cluster ${printable(event.cluster)}${whose} ${what}${why}${until}`;
  };
}

function requestEnd(event: RequestEndEvent): string {
  const attempts = event.attempts.length === 1 ? '' : ` (${event.attempts.length} attempts)`;
  // No endpoint was asked, and the details are one of a few words of the mesh: they say which policy it was.
  const isLocal = event.attempts.length === 0 && event.error === undefined && event.details !== 'via_upstream';
  const isRefusal = event.error === undefined && event.grpcStatus !== undefined && event.grpcStatus !== 'OK';
  const flags = isRefusal ? `${event.grpcStatus}${event.flags === '-' ? '' : ` ${event.flags}`}` : event.flags;
  const what = `${result(event.status, event.error, flags)}${isLocal ? ` ${printable(event.details)}, answered by the mesh` : ''}`;
  return `${way(event)} → ${what} in ${milliseconds(event.durationMs)}${isLocal ? '' : attempts}`;
}

/** The line of each event. Those that are left out have none: the lines of the request say the same. */
const lines: {
  readonly [N in Exclude<EventName, 'attempt:end' | 'inbound:refused' | 'inbound:access-log'>]: (
    event: EventPayloads[N],
  ) => string;
} = {
  'request:end': requestEnd,
  'retry:scheduled': (event) =>
    `${way(event)} → ${result(event.status, event.error, flagsOf(event.error))}${event.reason === 'hedge' && event.status === undefined && event.error === undefined ? ' yet' : ''}; retry ${event.retry}/${event.maxRetries} in ${milliseconds(event.delayMs)} (${event.reason}${left(event.budgetLeft)})`,
  'retry:denied': (event) =>
    `${way(event)} → ${result(event.status, event.error, flagsOf(event.error))}; not retried: ${denials[event.reason]}${left(event.budgetLeft)}`,
  'host:ejected': (event) =>
    `cluster ${printable(event.cluster)} → ${printable(event.endpoint)} ejected for ${milliseconds(event.ejectionMs)}: ${printable(event.reason)} (${event.ejectedHosts} of ${event.totalHosts} out)`,
  'host:returned': (event) =>
    `cluster ${printable(event.cluster)} → ${printable(event.endpoint)} returned (${event.ejectedHosts} of ${event.totalHosts} out)`,
  'health-check:changed': (event) =>
    `cluster ${printable(event.cluster)} → ${printable(event.endpoint)} is ${event.state}${event.reason === undefined ? ' by its health checks' : `: ${printable(event.reason)}`}`,
  'load-report:lost': (event) =>
    `cluster ${printable(event.cluster)} → ${printable(event.endpoint)} reports no load out of band${event.isFinal ? ' and is not asked again' : ''}: ${printable(event.reason)}`,
  'breaker:opened': breaker('opened'),
  'breaker:half-open': breaker('is half open: one probe goes through'),
  'breaker:closed': breaker('closed'),
  'config:applied': (event) =>
    `config ${event.version === undefined ? '' : `${printable(event.version)} `}from ${printable(event.source)} applied: ${applied(event)}${event.unhonoured.length === 0 ? '' : `; without effect: ${problems(event.unhonoured)}`}`,
  'config:rejected': (event) =>
    `config ${event.version === undefined ? '' : `${printable(event.version)} `}from ${printable(event.source)} REJECTED, the last good one stays in force: ${printable(event.reason)}${event.problems.length === 0 ? '' : `: ${problems(event.problems)}`}`,
  'identity:rotated': (event) =>
    `${event.kind} "${printable(event.name)}" of ${printable(event.source)} ${event.change === 'set' ? 'in force' : 'removed'}${event.identity === undefined ? '' : ` as ${printable(event.identity)}`}${event.expiresMs === undefined ? '' : `, expires ${utc(event.expiresMs)}`}`,
  'identity:rejected': (event) =>
    `${event.kind} "${printable(event.name)}" of ${printable(event.source)} REJECTED, the old one stays: ${printable(event.reason)}`,
  'connection:opened': (event) =>
    `cluster ${printable(event.cluster)} → ${printable(event.endpoint)} connected${event.protocol === undefined ? '' : `, HTTP/${printable(event.protocol)}`}${event.isTls === true ? ' over TLS' : ''}`,
  'connection:closed': (event) =>
    `cluster ${printable(event.cluster)} → ${printable(event.endpoint)} disconnected: ${printable(event.reason)}`,
  'control-plane:state': (event) =>
    `control plane ${printable(event.source)} ${event.state}${event.error === undefined ? '' : `: ${onOneLine(event.error)}`}`,
  ...inboundLines,
};

/** The events that have a line. */
export const printedEvents = Object.keys(lines) as (keyof typeof lines)[];

/** The name of a mesh that was given none. */
const defaultMeshName = 'mesh';

/** One event as one line, with the name of its mesh in front where it was given one. */
export function debugLine<N extends keyof typeof lines>(name: N, event: EventPayloads[N]): string {
  const mesh = event.mesh === defaultMeshName ? '' : `${printable(event.mesh)}: `;
  return printable(`${mesh}${lines[name](event)}`, maxLineLength);
}
