/** Answers of the way in that are the same for every request: made once. Those of its parts are made there. */
import type { InboundRefusal } from '../../model/inbound.ts';
import { refusal } from './refusal.ts';

/** Requests are taken. */
export const ready = refusal(200, 'ready', { details: 'inbound_ready', grpcStatus: 0 });

/** No more requests are taken. */
export const draining = refusal(503, 'draining', { details: 'inbound_draining', flag: 'UH' });

/** A part of the mesh failed. */
export const ownMistake = refusal(500, '', { details: 'inbound_failed' });

/** Nobody is there to read it. */
export const callerLeft = refusal(503, '', { details: 'downstream_remote_disconnect', flag: 'DC' });

/** The caller has stopped waiting while the request was on its way in. */
export const tooLate = refusal(504, '', { details: 'request_timeout', flag: 'UT', grpcStatus: 4 });

/** The policy does not let connections become this protocol. Source: Envoy's answer to an upgrade that is not configured. */
export const upgradeRefused = refusal(403, '', { details: 'upgrade_failed' });

/** An authorization policy. Envoy's words. */
export function denied(details: string): InboundRefusal {
  return refusal(403, 'RBAC: access denied', { details });
}

/** A `custom` policy names an authorizer that is not there. */
export const noAuthorizer = refusal(403, '', { details: 'ext_authz_error', flag: 'UAEX', grpcStatus: 7 });

/** Whether there was no token at all. */
export function isTokenMissing({ details }: InboundRefusal): boolean {
  return details === 'jwt_authn_access_denied{Jwt_is_missing}';
}
