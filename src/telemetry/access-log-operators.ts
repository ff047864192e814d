/**
 * Envoy's command operators, `%NAME(argument):length%`, as far as a server that is its own proxy knows them. What only a proxy has (the
 * upstream that it chose) is `-`, as Envoy writes what is not there; an operator that is not known here is too, and is reported.
 * Source: Envoy, "Access logging", "Command operators".
 */
import { hostname } from 'node:os';
import { grpcStatusNames } from '../base/grpc-status.ts';
import type { AccessLogEntry } from './access-log-entry.ts';
import { redactQuery } from './redact-url.ts';
import { protocolVersion } from './server-facts.ts';

/** Undefined = not there. Numbers stay numbers in JSON. */
export type OperatorValue = string | number | undefined;

/** Reads one value of an entry. */
export type Operator = (entry: AccessLogEntry) => OperatorValue;

const absent: Operator = () => undefined;

/** The operators without an argument. */
const plain: Readonly<Record<string, Operator>> = {
  PROTOCOL: ({ facts }) => (protocolVersion(facts) === '2' ? 'HTTP/2' : 'HTTP/1.1'),
  RESPONSE_CODE: ({ status }) => status ?? 0,
  RESPONSE_CODE_DETAILS: ({ details }) => details,
  RESPONSE_FLAGS: ({ flags }) => (flags === '-' ? undefined : flags),
  BYTES_RECEIVED: ({ requestBytes }) => requestBytes,
  BYTES_SENT: ({ responseBytes }) => responseBytes,
  DURATION: ({ durationMs }) => Math.trunc(durationMs),
  GRPC_STATUS: ({ grpcStatus }) => (grpcStatus === undefined ? undefined : (grpcNames[Number(grpcStatus)] ?? grpcStatus)),
  GRPC_STATUS_NUMBER: ({ grpcStatus }) => (grpcStatus === undefined ? undefined : Number(grpcStatus)),
  ROUTE_NAME: ({ route }) => route,
  FILTER_CHAIN_NAME: ({ chain }) => chain,
  VIRTUAL_CLUSTER_NAME: absent,
  REQUESTED_SERVER_NAME: ({ facts }) => facts.connection.serverName,
  DOWNSTREAM_REMOTE_ADDRESS: ({ facts }) => withPort(facts.remoteAddress, remotePort(facts)),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: ({ facts }) => facts.remoteAddress,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: ({ facts }) => withPort(facts.connection.directAddress, remotePort(facts)),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: ({ facts }) => facts.connection.directAddress,
  DOWNSTREAM_LOCAL_ADDRESS: ({ facts: { connection } }) => withPort(connection.localAddress, connection.localPort),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: ({ facts }) => facts.connection.localAddress,
  DOWNSTREAM_LOCAL_PORT: ({ facts }) => facts.connection.localPort,
  DOWNSTREAM_PEER_URI_SAN: ({ facts }) => joined(facts.connection.peer.uris),
  DOWNSTREAM_PEER_DNS_SAN: ({ facts }) => joined(facts.connection.peer.dnsNames),
  HOSTNAME: () => hostname(),
  TRACE_ID: ({ traceId }) => traceId,
  CONNECTION_TERMINATION_DETAILS: absent,
  UPSTREAM_HOST: absent,
  UPSTREAM_CLUSTER: absent,
  UPSTREAM_CLUSTER_RAW: absent,
  UPSTREAM_LOCAL_ADDRESS: absent,
  UPSTREAM_REMOTE_ADDRESS: absent,
  UPSTREAM_TRANSPORT_FAILURE_REASON: absent,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: absent,
};

/** In the spelling that Envoy has: `InvalidArgument`. */
const grpcNames = [
  'OK',
  'Canceled',
  ...grpcStatusNames
    .slice(2)
    .map((name) => name.replace(/_?([A-Z])([A-Z]+)/g, (_, first: string, rest: string) => first + rest.toLowerCase())),
];

/** The operator of a name and its argument; undefined when it is not known. */
export function operatorOf(name: string, argument: string | undefined): Operator | undefined {
  switch (name) {
    case 'START_TIME':
      return startTime(argument);
    case 'REQ':
      return requestHeader(argument ?? '');
    case 'RESP':
      return responseHeader(argument ?? '');
    default:
      return argument === undefined && Object.hasOwn(plain, name) ? plain[name] : undefined;
  }
}

/** `%REQ(X?Y)%`: the first of the two that is there. */
function requestHeader(argument: string): Operator {
  const names = argument
    .toLowerCase()
    .split('?')
    .map((name) => (name === ':path' || name === 'path' ? ':path' : name));
  return ({ facts }) => {
    for (const name of names) {
      if (name === ':path') return redactQuery(facts.path);
      const value = facts.header(name);
      if (value !== undefined) return typeof value === 'string' ? value : value.join(',');
    }
    return undefined;
  };
}

function responseHeader(argument: string): Operator {
  const names = argument.toLowerCase().split('?');
  return ({ facts }) => {
    for (const name of names) {
      const value = facts.response?.getHeader(name);
      if (value !== undefined) return typeof value === 'object' ? value.join(',') : String(value);
    }
    return undefined;
  };
}

/** ISO 8601 in milliseconds; with a format, those of its conversions that are known. Undefined for a format with others. */
function startTime(format: string | undefined): Operator | undefined {
  if (format === undefined) return ({ startWallMs }) => new Date(startWallMs).toISOString();
  const parts = format.match(/%(?:\d*[a-zA-Z%])|[^%]+|%/g) ?? [];
  const writers = parts.map((part) => (part.startsWith('%') ? timeParts[part] : () => part));
  if (writers.includes(undefined)) return undefined;
  return ({ startWallMs }) => writers.map((write) => write!(startWallMs)).join('');
}

const iso = (ms: number, from: number, to: number): string => new Date(ms).toISOString().slice(from, to);

/** Conversions of strftime, in UTC; `%f` and its kin are Envoy's. */
const timeParts: Readonly<Record<string, (ms: number) => string>> = {
  '%Y': (ms) => iso(ms, 0, 4),
  '%m': (ms) => iso(ms, 5, 7),
  '%d': (ms) => iso(ms, 8, 10),
  '%H': (ms) => iso(ms, 11, 13),
  '%M': (ms) => iso(ms, 14, 16),
  '%S': (ms) => iso(ms, 17, 19),
  '%F': (ms) => iso(ms, 0, 10),
  '%T': (ms) => iso(ms, 11, 19),
  '%z': () => '+0000',
  '%Z': () => 'UTC',
  '%s': (ms) => String(Math.floor(ms / 1000)),
  '%3f': (ms) => iso(ms, 20, 23),
  '%f': (ms) => `${iso(ms, 20, 23)}000000`,
  '%6f': (ms) => `${iso(ms, 20, 23)}000`,
  '%9f': (ms) => `${iso(ms, 20, 23)}000000`,
  '%%': () => '%',
};

function joined(names: readonly string[]): string | undefined {
  return names.length === 0 ? undefined : names.join(',');
}

function withPort(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function remotePort({ request }: AccessLogEntry['facts']): number | undefined {
  const port = request?.socket?.remotePort;
  return typeof port === 'number' ? port : undefined;
}
