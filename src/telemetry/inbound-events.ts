/** What the way in tells: payloads of the events of requests and connections that come in. The words for them are in inbound-event-table.ts. */

/** Why a request was not handed to the program, or was answered in its place. One word for each step of the way in that does so. */
export type InboundRefusalReason =
  /** The path cannot be brought into one form, or has what no path may have. */
  | 'bad_path'
  /** No host, several, or one that is none. */
  | 'bad_host'
  /** Headers that contradict each other or may not be there. */
  | 'bad_headers'
  /** In plaintext, where mutual TLS is asked for. */
  | 'plaintext'
  /** The certificate of the connection is not valid any more, or does not belong to those that are let in. */
  | 'peer'
  /** There is no policy for the port, or it has not arrived. */
  | 'policy_missing'
  /** The process has too much to do. */
  | 'overload'
  /** The caller does not wait any more. */
  | 'deadline'
  /** The port takes no more requests before it closes. */
  | 'draining'
  | 'token_missing'
  | 'token_invalid'
  /** An authorization policy. */
  | 'denied'
  /** An external authorizer. */
  | 'external_denied'
  /** An external authorizer did not answer. */
  | 'external_error'
  | 'rate_limit'
  /** Answered on purpose by fault injection. */
  | 'fault'
  /** No route of the listener takes it. */
  | 'no_route'
  /** A route answers itself: a redirect or a fixed response. */
  | 'direct_response'
  /** A CORS preflight that the mesh answered. */
  | 'preflight'
  /** A mistake of the mesh itself; nothing is let in by it. */
  | 'internal';

/** Why a connection was closed by the mesh before a request of it was served, or because of what came on it. */
export type ConnectionRefusalReason =
  | 'too_many_connections'
  /** It said nothing, or not enough, in time. */
  | 'first_bytes_timeout'
  /** The first bytes are neither TLS nor HTTP. */
  | 'unknown_protocol'
  /** A ClientHello that is too long or is none. */
  | 'bad_client_hello'
  | 'proxy_header_missing'
  | 'proxy_header_invalid'
  /** TLS, where it is not spoken. */
  | 'tls_not_taken'
  /** Plaintext, where only mutual TLS is. */
  | 'plaintext_not_taken'
  /** No filter chain of the listener takes it. */
  | 'no_filter_chain'
  /** There is no policy for the port, or it has not arrived. */
  | 'policy_missing'
  /** A policy of the connection (network RBAC). */
  | 'denied'
  /** We have no certificate to show yet. */
  | 'identity_missing'
  /** None of the application protocols that it offers is spoken. */
  | 'no_application_protocol'
  | 'handshake_timeout'
  | 'handshake_failed'
  | 'certificate_missing'
  | 'certificate_expired'
  /** Signed by nobody that is trusted. */
  | 'certificate_untrusted'
  /** Not what a certificate of a workload may be: two SPIFFE IDs, a CA. */
  | 'certificate_invalid'
  /** A good certificate of somebody who is not let in. */
  | 'peer_not_accepted'
  /** What came is not HTTP any more. */
  | 'bad_request'
  | 'headers_too_large'
  | 'request_timeout'
  /** More resets, pings or settings than a well-meant peer sends. */
  | 'flood';

/** What all events of a request that came in say. */
export interface InboundEvent {
  readonly inbound: number;
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly peer: string | undefined;
  readonly peerAddress: string;
  readonly listener: string | undefined;
  readonly chain: string | undefined;
}

/** A request that came in is over, whoever answered it. */
export interface InboundEndEvent extends InboundEvent {
  readonly status: number | undefined;
  readonly error: 'cancelled' | undefined;
  readonly refusal: InboundRefusalReason | undefined;
  readonly flags: string;
  readonly details: string;
  readonly requestPrincipal: string | undefined;
  readonly protocol: string;
  readonly durationMs: number;
  readonly traceId: string | undefined;
}

/** The mesh answered a request in the place of the program. */
export interface InboundRefusedEvent extends InboundEvent {
  readonly reason: InboundRefusalReason;
  readonly status: number;
  readonly flags: string;
  readonly details: string;
}

/** A part of the mesh failed over a request. */
export interface InboundFailedEvent {
  readonly method: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly peerAddress: string;
  /** Name and message of the error. */
  readonly message: string;
  readonly cause: string | undefined;
}

/** The mesh closed a connection that came in. */
export interface ConnectionRefusedEvent {
  readonly port: number;
  readonly peerAddress: string;
  readonly reason: ConnectionRefusalReason;
  /** In words. */
  readonly detail?: string | undefined;
  readonly serverName?: string | undefined;
  /** SPIFFE ID or DNS name of the certificate that was shown. */
  readonly peer?: string | undefined;
}

/** What a policy that is not in force, or that only watches, would have done. */
export interface AuthorizationShadowEvent extends InboundEvent {
  readonly kind: 'dry-run' | 'audit';
  readonly verdict: 'allowed' | 'denied' | 'matched';
  readonly policy: string | undefined;
}

/** An external authorizer said nothing about a request. */
export interface AuthorizerUnansweredEvent extends InboundEvent {
  readonly authorizer: string;
  readonly reason: string;
  readonly wentOn: boolean;
}

/** A line of an access log whose policy sends it to the events. */
export interface AccessLogEvent {
  readonly listener: string | undefined;
  /** Without its end. */
  readonly line: string;
}

/** The keys of an issuer were fetched, or not. */
export interface InboundKeysEvent {
  readonly url: string;
  readonly error?: string | undefined;
  readonly hasKeys: boolean;
}

/** A port of `mesh.listen`: how far it is. */
export interface InboundPortEvent {
  readonly port: number;
  readonly address: string;
  readonly connections: number;
  readonly requests: number;
}
