/**
 * Why connections are not wanted, and what their requests are answered: made once. Each answer closes the connection, since nothing of
 * it would be served.
 */
import type { InboundRefusal } from '../../model/inbound.ts';
import type { ConnectionRefusalReason, InboundRefusalReason } from '../../telemetry/inbound-events.ts';
import { refusal } from './refusal.ts';

/** Why a connection is not wanted: for its requests, and for the event where it is closed before there are any. */
export interface ConnectionRefusal {
  readonly reason: ConnectionRefusalReason;
  readonly requestReason: InboundRefusalReason;
  readonly answer: InboundRefusal;
}

const headers = { connection: 'close' };
const accessDenied = 'RBAC: access denied';
const mutualTlsOnly = 'this port takes mutual TLS only';

/** A source that says what comes in has yet to do so. */
export const policyAwaited = unavailable('policy_missing', 'this port takes no requests yet', 'inbound_policy_missing');

/** The mesh is closed. */
export const meshClosed = unavailable('draining', 'draining', 'inbound_draining');

/** No policy holds for the port, and the program or another port's policy does not let that pass. */
export const policyMissing = forbidden('policy_missing', 'policy_missing', 'inbound_policy_missing');

/** Plaintext under `strict`. */
export const plaintext = forbidden('plaintext_not_taken', 'plaintext', 'inbound_plaintext_refused', mutualTlsOnly);

/** TLS without a certificate where one is needed. */
export const noCertificate = forbidden('certificate_missing', 'peer', 'inbound_certificate_missing', mutualTlsOnly);

/** A certificate that was verified and cannot be read. */
export const unreadable = forbidden('certificate_invalid', 'peer', 'inbound_certificate_invalid');

/** A certificate that has expired since it was verified. */
export const expired = forbidden('certificate_expired', 'peer', 'inbound_certificate_expired');

/** The peer is none of those that the chain takes. */
export const wrongPeer = forbidden('peer_not_accepted', 'peer', 'inbound_peer_not_accepted');

/** No filter chain takes such a connection. */
export const noChain: ConnectionRefusal = {
  reason: 'no_filter_chain',
  requestReason: 'policy_missing',
  answer: refusal(403, accessDenied, { details: 'filter_chain_not_found', flag: 'NR', headers }),
};

/** The chain passes TLS on as it is, and nobody here ends it. */
export const tlsNotEnded = forbidden('unknown_protocol', 'policy_missing', 'inbound_chain_passes_tls_through');

/** Rules about connections. */
export function deniedConnection(details: string): InboundRefusal {
  return refusal(403, accessDenied, { details, headers });
}

function forbidden(
  reason: ConnectionRefusalReason,
  requestReason: InboundRefusalReason,
  details: string,
  body = accessDenied,
): ConnectionRefusal {
  return { reason, requestReason, answer: refusal(403, body, { details, headers }) };
}

function unavailable(requestReason: InboundRefusalReason, body: string, details: string): ConnectionRefusal {
  return { reason: 'policy_missing', requestReason, answer: refusal(503, body, { details, flag: 'UH', headers }) };
}
