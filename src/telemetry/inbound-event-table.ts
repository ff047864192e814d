/** Words for the events of the way in; a part of event-table.ts. */
const inboundFields = {
  mesh: 'Name of the mesh.',
  inbound: 'Number of the request among those that came into this mesh, from 1: ties its events together.',
  method: 'As the caller wrote it.',
  scheme: '`http` or `https`, of the connection.',
  host: 'Host that the caller asked for, with its port where it named one; empty when it named none.',
  port: 'Port of this process that the request came to.',
  path: 'In the form that the rules saw, without its query; `\\u{…}` for what is not printable, cut after 1,024 characters.',
  peer: 'SPIFFE ID, else first DNS name, of the verified certificate; absent when there is none.',
  peerAddress: 'Address of the other end of the connection.',
  listener: 'Name of the listener whose policy held.',
  chain: 'Name of its filter chain.',
} as const;

const portFields = {
  mesh: 'Name of the mesh.',
  port: 'Port of this process.',
  address: 'Address that it is bound to.',
  connections: 'Connections that are open.',
  requests: 'Requests that are under way.',
} as const;

/** Words for every event of the way in and every field of it. */
export const inboundEventTable = {
  'inbound:end': {
    doc: 'A request that came in is over: its response ended, was refused, or its caller left.',
    fields: {
      ...inboundFields,
      status: 'Status of the response; absent when none was sent.',
      error: '`cancelled` when the caller left before the end; absent when there was no error.',
      refusal: 'Step of the way in that answered in the place of the program; absent when the program did.',
      flags: 'Envoy response flags, or `-`.',
      details: 'Envoy response code details: `via_upstream` = the program answered.',
      requestPrincipal: '`<issuer>/<subject>` of the verified token.',
      protocol: '`1.1` or `2`.',
      durationMs: 'From the end of its headers to the end of the response.',
      traceId: 'Trace of the request, when a tracer is registered.',
    },
  },
  'inbound:refused': {
    doc: 'The mesh answered a request in the place of the program: it refused it, or its policy has an answer of its own.',
    fields: {
      ...inboundFields,
      reason:
        'Which step: `bad_path`, `bad_host`, `bad_headers`, `plaintext` (mutual TLS is asked for), `peer` (its certificate is not welcome any more), `policy_missing`, `overload`, `deadline` (the caller does not wait any more), `draining`, `token_missing`, `token_invalid`, `denied`, `external_denied`, `external_error`, `rate_limit`, `fault`, `no_route`, `direct_response`, `preflight` or `internal`.',
      status: 'Status of the answer.',
      flags: 'Envoy response flags, or `-`.',
      details: 'Envoy response code details, with the name of the policy: `rbac_access_denied_matched_policy[…]`.',
    },
  },
  'inbound:failed': {
    doc: 'A part of the mesh failed over a request, which was refused with 500 `inbound_failed`: a mistake of meshfetch, to be reported.',
    fields: {
      mesh: 'Name of the mesh.',
      method: 'As the caller wrote it.',
      host: 'Host that the caller asked for; empty when it named none, or when that is what failed.',
      port: 'Port of this process that the request came to.',
      path: 'Without its query, as far as it was normalised.',
      peerAddress: 'Address of the other end of the connection.',
      message: 'Name and message of the error, without its stack.',
      cause: 'The same of its cause; absent when it has none.',
    },
  },
  'inbound:connection-refused': {
    doc: 'The mesh closed a connection that came in before it served a request of it, or because of what came on it.',
    fields: {
      mesh: 'Name of the mesh.',
      port: 'Port of this process.',
      peerAddress: 'Address of the other end.',
      reason:
        'Why: `too_many_connections`, `first_bytes_timeout`, `unknown_protocol`, `bad_client_hello`, `proxy_header_missing`, `proxy_header_invalid`, `tls_not_taken`, `plaintext_not_taken`, `no_filter_chain`, `policy_missing`, `denied`, `identity_missing` (we have no certificate to show), `no_application_protocol`, `handshake_timeout`, `handshake_failed`, `certificate_missing`, `certificate_expired`, `certificate_untrusted`, `certificate_invalid`, `peer_not_accepted`, `bad_request`, `headers_too_large`, `request_timeout` or `flood`.',
      detail: 'The same in words.',
      serverName: 'Name that the client asked for (SNI).',
      peer: 'SPIFFE ID or DNS name of the certificate that was shown.',
    },
  },
  'inbound:authorizer-unanswered': {
    doc: 'An external authorizer said nothing about a request: it could not be reached, was late, or answered what is no answer.',
    fields: {
      ...inboundFields,
      authorizer: 'Name of the authorizer in the policy.',
      reason: 'Why, in words.',
      wentOn: 'Whether the request went on all the same (`failOpen`); false = it was refused.',
    },
  },
  'inbound:access-log': {
    doc: 'A line of an access log whose policy sends its lines here (`to: events`).',
    fields: {
      mesh: 'Name of the mesh.',
      listener: 'Name of the listener whose policy asks for it.',
      line: 'The line, without its end.',
    },
  },
  'inbound:listening': { doc: 'A port is open.', fields: portFields },
  'inbound:draining': {
    doc: 'A port takes no more connections, asks those that are open to leave, and waits for the requests under way.',
    fields: portFields,
  },
  'inbound:closed': {
    doc: 'A port is closed. Connections and requests that were still there were cut off.',
    fields: portFields,
  },
  'inbound:keys': {
    doc: 'The keys of an issuer of tokens were fetched, or could not be.',
    fields: {
      mesh: 'Name of the mesh.',
      url: 'Where they are published, without query.',
      error: 'Why they could not be fetched; absent when they were.',
      hasKeys:
        'Whether there are keys to verify tokens with: those, or after an error the last ones; without any, every token of the issuer is refused.',
    },
  },
  'authorization:shadow': {
    doc: 'A request met an authorization policy that is not in force (dry run), or one that only watches (audit). It has no effect on the request.',
    fields: {
      ...inboundFields,
      kind: '`dry-run` or `audit`.',
      verdict: 'What the dry run would have done: `allowed` or `denied`; `matched` of an audit policy.',
      policy: 'Name of the rule that decided; absent when none did.',
    },
  },
} as const;
