/**
 * Access logs: a line for each request that came in, where a policy asks for them; in Envoy's formats, so that what reads the logs of a
 * sidecar reads these. The library writes no other log.
 *
 * What comes from outside cannot forge a line: control and formatting characters are escaped, lengths are capped, and JSON is one line.
 * Values of query parameters that are known to be secret are not written. Lines of one turn of the event loop are written at once.
 */
import { afterReading, type Clock } from '../base/runtime.ts';
import type { AccessLogConfig } from '../model/telemetry.ts';
import type { AccessLogEntry } from './access-log-entry.ts';
import { operatorOf, type Operator, type OperatorValue } from './access-log-operators.ts';
import { channels } from './channels.ts';
import { printable } from './printable.ts';

/** Source: Envoy, "Default format string". */
const defaultText =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** The keys that Istio gives to the values of its line, as far as a server has them. */
const defaultJson: Readonly<Record<string, string>> = {
  start_time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  route_name: '%ROUTE_NAME%',
};

/** Longest value from outside, in characters. */
const maxValueLength = 2048;

/** An access log that is ready to write. */
export interface AccessLog {
  write(entry: AccessLogEntry): void;
}

/** Takes whole lines. */
export type LineSink = (lines: string) => void;

/** Where the lines of a process go. */
export interface LineSinks {
  readonly stdout: LineSink;
  readonly stderr: LineSink;
}

const processSinks: LineSinks = {
  stdout: (lines) => void process.stdout.write(lines),
  stderr: (lines) => void process.stderr.write(lines),
};

/** Compiles a log of a listener. */
export function compileAccessLog(config: AccessLogConfig, clock: Clock, sinks: LineSinks = processSinks): AccessLog {
  const { to = 'stdout', errorsOnly = false } = config;
  const format = compileFormat(config, []);
  const tell = to === 'events' ? publish : batched(sinks[to], clock);
  return {
    write(entry) {
      if (!errorsOnly || isError(entry)) tell(format(entry), entry);
    },
  };
}

function isError({ status, isRefused, isCancelled }: AccessLogEntry): boolean {
  return isRefused || isCancelled || status === undefined || status >= 400;
}

/** Operators of a log's template that are not known here, and are written as `-`. */
export function unknownOperators(config: AccessLogConfig): readonly string[] {
  const unknown: string[] = [];
  compileFormat(config, unknown);
  return unknown;
}

type Format = (entry: AccessLogEntry) => string;

function compileFormat({ format, template }: AccessLogConfig, unknown: string[]): Format {
  return format === 'json' ? compileJson(template, unknown) : compileText(template, unknown);
}

function compileText(template: AccessLogConfig['template'], unknown: string[]): Format {
  const parts = parse(typeof template === 'string' ? template : defaultText, unknown);
  return (entry) => {
    let line = '';
    for (const part of parts) line += typeof part === 'string' ? part : textOf(part(entry));
    return line.endsWith('\n') ? line : `${line}\n`;
  };
}

function compileJson(template: AccessLogConfig['template'], unknown: string[]): Format {
  const fields = Object.entries(typeof template === 'object' ? template : defaultJson).map(
    ([key, text]) => [key, parse(text, unknown)] as const,
  );
  return (entry) => {
    const record: Record<string, string | number | null> = Object.create(null) as Record<string, string | number | null>;
    for (const [key, parts] of fields) record[key] = jsonValue(parts, entry);
    return `${JSON.stringify(record)}\n`;
  };
}

/** A value that is one operator keeps its type, and is null where it is not there (Envoy). */
function jsonValue(parts: readonly (string | Operator)[], entry: AccessLogEntry): string | number | null {
  const [only] = parts;
  if (parts.length === 1 && typeof only === 'function') {
    const value = only(entry);
    return typeof value === 'string' ? printable(value, maxValueLength) : (value ?? null);
  }
  return parts.map((part) => (typeof part === 'string' ? part : textOf(part(entry)))).join('');
}

function textOf(value: OperatorValue): string {
  if (value === undefined || value === '') return '-';
  return typeof value === 'number' ? String(value) : printable(value, maxValueLength);
}

/** Texts and operators in turn; what is not known is written as it would be if it were not there. */
function parse(template: string, unknown: string[]): readonly (string | Operator)[] {
  const parts: (string | Operator)[] = [];
  let from = 0;
  for (const match of template.matchAll(/%(?:([A-Z0-9_]+)(?:\(([^)]*)\))?(?::(\d+))?)?%/g)) {
    const [whole, name, argument, length] = match;
    if (match.index > from) parts.push(template.slice(from, match.index));
    from = match.index + whole.length;
    if (name === undefined) {
      parts.push('%');
      continue;
    }
    const operator = operatorOf(name, argument);
    if (operator === undefined) unknown.push(whole);
    parts.push(length === undefined || operator === undefined ? (operator ?? nothing) : cut(operator, Number(length)));
  }
  if (from < template.length) parts.push(template.slice(from));
  return parts;
}

const nothing: Operator = () => undefined;

function cut(operator: Operator, length: number): Operator {
  return (entry) => {
    const value = operator(entry);
    return typeof value === 'string' ? value.slice(0, length) : value;
  };
}

const accessLog = channels['inbound:access-log'];

function publish(line: string, { mesh, listener }: AccessLogEntry): void {
  if (accessLog.hasSubscribers) accessLog.publish({ mesh, listener, line: line.trimEnd() });
}

/** Lines of one turn are one write: it may block, as that of a pipe does. */
function batched(sink: LineSink, clock: Clock): (line: string) => void {
  let waiting = '';
  const flush = (): void => {
    const lines = waiting;
    waiting = '';
    sink(lines);
  };
  return (line) => {
    if (waiting === '') afterReading(clock, flush);
    waiting += line;
  };
}
