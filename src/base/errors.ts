/**
 * The one table of everything that can go wrong, and the one error type that leaves the mesh. docs/reference/errors.md is
 * tested against the table both ways. Flags and details are Envoy's (`%RESPONSE_FLAGS%`, `%RESPONSE_CODE_DETAILS%`), so that an
 * operator who knows them from a sidecar reads the same words here.
 */
import { isError } from './is-error.ts';

interface ErrorRow {
  /** Envoy response flag, or `-`. */
  readonly flag: string;
  /** Envoy response code details, without the transport's own words. */
  readonly details: string;
  /** The status that a sidecar would have answered with. */
  readonly status: number;
  readonly grpcStatus: string;
  readonly meaning: string;
  /** What the reader should do next. */
  readonly remedy: string;
}

/** Every code with its flag, status, meaning and remedy. */
export const errorTable = {
  MESH_NO_ROUTE: {
    flag: 'NR',
    details: 'route_not_found',
    status: 404,
    grpcStatus: 'UNIMPLEMENTED',
    meaning: 'The service is known, but none of its routes matches the request.',
    remedy:
      'Compare the request with the routes in mesh.explain(url); add a route without `match` as the last one to catch the rest.',
  },
  MESH_NO_CLUSTER: {
    flag: 'NC',
    details: 'cluster_not_found',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The route names a cluster that no control plane has delivered.',
    remedy: 'Check the name in the route, and mesh.status() for a cluster that was refused.',
  },
  MESH_NO_HEALTHY_ENDPOINT: {
    flag: 'UH',
    details: 'no_healthy_upstream',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The cluster has no endpoint that may be used.',
    remedy: 'Look at the endpoints and why each is out in mesh.status().',
  },
  MESH_CONNECT_FAILED: {
    flag: 'UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'No connection to the endpoint could be made.',
    remedy: 'Check that the endpoint listens on that address and port; `cause` has the error of the system.',
  },
  MESH_CONNECT_TIMEOUT: {
    flag: 'UF',
    details: 'upstream_reset_before_response_started{connection_timeout}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The endpoint did not accept the connection in time.',
    remedy: 'The address may be stale or behind a firewall; `connectTimeoutMs` is the limit.',
  },
  MESH_TLS_FAILED: {
    flag: 'UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure|TLS_error}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The TLS handshake with the endpoint failed.',
    remedy:
      'Check that the endpoint speaks TLS and that both trust bundles hold the other side’s root; `cause` has the error of OpenSSL.',
  },
  MESH_PEER_IDENTITY: {
    flag: 'UF',
    details: 'upstream_reset_before_response_started{remote_connection_failure|peer_identity_mismatch}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The endpoint’s certificate is valid but names somebody else.',
    remedy:
      'Compare the names in the message with those that are expected: `tls.peers` of the service in mesh.yaml, the service accounts that istiod gives, `match_typed_subject_alt_names` of xDS.',
  },
  MESH_NO_IDENTITY: {
    flag: 'UF',
    details: 'upstream_reset_before_response_started{identity_missing}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The cluster asks for mutual TLS and this process has no certificate or trust bundle yet.',
    remedy: 'Configure `identity`, and look at its state in mesh.status().',
  },
  MESH_RESET: {
    flag: 'UC',
    details: 'upstream_reset_before_response_started{connection_termination}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The connection closed after the request was sent and before a response began.',
    remedy: 'The endpoint may have processed the request; look at its logs for a crash.',
  },
  MESH_REFUSED_STREAM: {
    flag: 'UR',
    details: 'upstream_reset_before_response_started{remote_refused_stream_reset}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The endpoint refused the HTTP/2 stream before processing it.',
    remedy: 'The endpoint is draining or at its stream limit; add endpoints or raise its limit.',
  },
  MESH_PROTOCOL_ERROR: {
    flag: 'UPE',
    details: 'upstream_reset_before_response_started{protocol_error}',
    status: 502,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The endpoint answered with something that is not HTTP.',
    remedy: 'Check the port and the `protocol` of the service.',
  },
  MESH_BODY_ABORTED: {
    flag: 'UPE',
    details: 'upstream_reset_after_response_started{protocol_error}',
    status: 200,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The response began and its body did not arrive whole.',
    remedy: 'The endpoint broke off; the part that arrived must not be used.',
  },
  MESH_TIMEOUT: {
    flag: 'UT',
    details: 'response_timeout',
    status: 504,
    grpcStatus: 'DEADLINE_EXCEEDED',
    meaning: 'No response within the time of the route, all attempts included.',
    remedy: 'Raise `timeoutMs` of the route, or find out why the service is slow.',
  },
  MESH_PER_TRY_TIMEOUT: {
    flag: 'UT',
    details: 'upstream_per_try_timeout',
    status: 504,
    grpcStatus: 'DEADLINE_EXCEEDED',
    meaning: 'No answer came within the time of one attempt, or before its endpoint was taken out while it waited there.',
    remedy:
      'Raise `retry.perTryTimeoutMs`, or find out why the endpoint is slow; the event `host:ejected` says why one was taken out.',
  },
  MESH_IDLE_TIMEOUT: {
    flag: 'SI',
    details: 'stream_idle_timeout',
    status: 504,
    grpcStatus: 'DEADLINE_EXCEEDED',
    meaning: 'The response stood still for too long.',
    remedy: 'Raise the idle timeout for streams that may be silent.',
  },
  MESH_STREAM_DURATION: {
    flag: 'DT',
    details: 'max_duration_timeout',
    status: 504,
    grpcStatus: 'DEADLINE_EXCEEDED',
    meaning: 'The request with its response lasted longer than a stream may.',
    remedy: 'Raise `maxStreamDurationMs` of the route, or end the stream sooner.',
  },
  MESH_OVERFLOW: {
    flag: 'UO',
    details: 'upstream_reset_before_response_started{overflow}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'A limit on connections, pending requests or requests in flight was reached.',
    remedy: 'The message names the limit; raise it under `limits`, or add endpoints.',
  },
  MESH_DROPPED: {
    flag: 'DO',
    details: 'drop_overload',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The control plane has a share of the requests of the cluster dropped, and this was one of them.',
    remedy: 'Try later; the operator of the control plane lifts `drop_overloads`.',
  },
  MESH_CIRCUIT_OPEN: {
    flag: 'UO',
    details: 'upstream_reset_before_response_started{overflow|circuit_open}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The circuit breakers of all endpoints are open, or that of the whole service.',
    remedy: 'Wait for the probe, or find out why the service failed; `circuitBreaker` sets the thresholds.',
  },
  MESH_CONFIG_TIMEOUT: {
    flag: 'NC',
    details: 'configuration_not_received',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The configuration of the service did not arrive in time.',
    remedy: 'The message has the state of the control plane; see mesh.status().',
  },
  MESH_DNS_FAILED: {
    flag: 'UH,DF',
    details: 'no_healthy_upstream{dns_resolution_failure}',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The name could not be resolved, and no earlier answer is left.',
    remedy:
      'Check the name and the resolver; in Kubernetes try the full name `service.namespace.svc.cluster.local`. Should a control plane know the host? See its state in mesh.status().',
  },
  MESH_UNKNOWN_HOST: {
    flag: 'NR',
    details: 'route_not_found',
    status: 404,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'No control plane knows the host, and `unknownHosts` is `refuse`; or one that might know it has failed.',
    remedy: 'Declare the service, or set `unknownHosts: dns`; mend the control plane that mesh.status() calls `failed`.',
  },
  MESH_REQUEST_INVALID: {
    flag: '-',
    details: 'invalid_request',
    status: 400,
    grpcStatus: 'INTERNAL',
    meaning: 'The request cannot be sent as it is; no endpoint was asked.',
    remedy: 'Correct the argument that the message, or its `cause`, names.',
  },
  MESH_CLOSED: {
    flag: '-',
    details: 'mesh_closed',
    status: 503,
    grpcStatus: 'UNAVAILABLE',
    meaning: 'The mesh was closed.',
    remedy: 'Make requests before mesh.close(), or create another mesh.',
  },
  MESH_CONFIG_INVALID: {
    flag: '-',
    details: 'configuration_invalid',
    status: 500,
    grpcStatus: 'INTERNAL',
    meaning: 'The configuration has mistakes.',
    remedy: 'Each problem in the message names its path and what would be right.',
  },
  MESH_CONFIG_UNREADABLE: {
    flag: '-',
    details: 'configuration_unreadable',
    status: 500,
    grpcStatus: 'INTERNAL',
    meaning: 'A file that the configuration needs cannot be read.',
    remedy: 'Check that the path exists and may be read by this process.',
  },
  MESH_IDENTITY_INVALID: {
    flag: '-',
    details: 'identity_invalid',
    status: 500,
    grpcStatus: 'INTERNAL',
    meaning: 'A certificate, key or trust bundle cannot be used.',
    remedy: 'The message says what is wrong with which file; `meshfetch certs` makes a working set.',
  },
  MESH_CONTROL_PLANE: {
    flag: '-',
    details: 'control_plane_failed',
    status: 500,
    grpcStatus: 'INTERNAL',
    meaning: 'The control plane cannot be used as configured.',
    remedy: 'The message has its answer; check address, token and version.',
  },
} as const satisfies Record<string, ErrorRow>;

/** A code of the table. */
export type MeshErrorCode = keyof typeof errorTable;

/** One attempt of a request, as the error and the events report it. */
export interface AttemptReport {
  /** From 1. */
  readonly number: number;
  /** `address:port`; absent when no host could be chosen. */
  readonly endpoint?: string;
  /** Milliseconds from the start of the request. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly status?: number;
  readonly error?: MeshErrorCode;
  /** In the words of the transport. */
  readonly reason?: string;
}

/** What is known of a failure beside its message. */
export interface MeshErrorContext {
  readonly cause?: unknown;
  readonly attempts?: readonly AttemptReport[];
  readonly cluster?: string;
  readonly endpoint?: string;
  readonly route?: string;
  readonly configVersion?: string;
  /** True when more than one attempt was made and the last allowed one failed (Envoy's flag URX). */
  readonly retriesExhausted?: boolean;
  /** True when the peer may have seen the request: repeating it by hand may execute it twice. */
  readonly mayHaveBeenProcessed?: boolean;
  /** What to do next, where the cause asks for another answer than that of the table. */
  readonly remedy?: string;
  /** Where the policy says another one than the table. */
  readonly status?: number;
  readonly grpcStatus?: string;
  /** Further facts for the reader: counts, names, limits. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The only error that leaves the mesh. At fetch doors it is the `cause` of `TypeError('fetch failed')`. */
export class MeshError extends Error {
  override readonly name = 'MeshError';
  readonly code: MeshErrorCode;
  /** Envoy response flags, comma separated: `URX,UF`. */
  readonly flags: string;
  /** Envoy response code details. */
  readonly responseCodeDetails: string;
  readonly status: number;
  readonly grpcStatus: string;
  readonly remedy: string;
  readonly attempts: readonly AttemptReport[];
  readonly cluster: string | undefined;
  readonly endpoint: string | undefined;
  readonly route: string | undefined;
  readonly configVersion: string | undefined;
  readonly mayHaveBeenProcessed: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: MeshErrorCode, message: string, context: MeshErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    const row: ErrorRow = errorTable[code];
    this.code = code;
    this.flags = context.retriesExhausted ? (row.flag === '-' ? 'URX' : `URX,${row.flag}`) : row.flag;
    this.responseCodeDetails = row.details;
    this.status = context.status ?? row.status;
    this.grpcStatus = context.grpcStatus ?? row.grpcStatus;
    this.remedy = context.remedy ?? row.remedy;
    this.attempts = context.attempts ?? [];
    this.cluster = context.cluster;
    this.endpoint = context.endpoint;
    this.route = context.route;
    this.configVersion = context.configVersion;
    this.mayHaveBeenProcessed = context.mayHaveBeenProcessed ?? false;
    this.details = context.details ?? {};
  }
}

/** Whether `error` is a MeshError of any copy of this package. */
export function isMeshError(error: unknown): error is MeshError {
  return isError(error) && error.name === 'MeshError' && 'responseCodeDetails' in error;
}
