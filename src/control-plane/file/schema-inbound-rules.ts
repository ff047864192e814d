/** `inbound.authorization`: who may ask for what, with the meaning of Istio's AuthorizationPolicy. */
import * as v from 'valibot';
import { flag, list, mapping, oneKind, oneOf, oneOrList, port, text, tokenName } from './schema-values.ts';
import {
  addressRange,
  hostPattern,
  identityPattern,
  methodPattern,
  pathPattern,
  ruleName,
  serviceAccount,
  wildcardText,
} from './schema-inbound-values.ts';

const some = <const S extends v.GenericSchema>(item: S, meaning: string) =>
  v.pipe(v.exactOptional(list(item)), v.description(meaning));
const none = <const S extends v.GenericSchema>(item: S, of: string) =>
  v.pipe(v.exactOptional(list(item)), v.description(`None of these ${of}.`));

/** `from`. */
export const source = v.pipe(
  mapping({
    identities: some(
      identityPattern(),
      'Names in the certificate of the peer: `spiffe://example.org/ns/shop/sa/web`, `spiffe://example.org/*`, `*.example.org`; `*` = any certificate of the trust bundle.',
    ),
    notIdentities: none(identityPattern(), 'names'),
    namespaces: some(wildcardText(), 'Namespace in the SPIFFE ID of the peer, `…/ns/<namespace>/sa/…` (Istio).'),
    notNamespaces: none(wildcardText(), 'namespaces'),
    serviceAccounts: some(serviceAccount(), '`<namespace>/<service account>` in the SPIFFE ID of the peer.'),
    notServiceAccounts: none(serviceAccount(), 'service accounts'),
    requestPrincipals: some(
      wildcardText(),
      '`<issuer>/<subject>` of a verified token: `https://issuer.example/*`; `*` = any. See `jwt`.',
    ),
    notRequestPrincipals: none(wildcardText(), 'principals'),
    ipBlocks: some(addressRange(), 'Address at the other end of the connection.'),
    notIpBlocks: none(addressRange(), 'addresses'),
    remoteIpBlocks: some(addressRange(), 'Address of the client, over the proxies that `trustedHops` counts.'),
    notRemoteIpBlocks: none(addressRange(), 'addresses'),
  }),
  v.minEntries(1, 'at least one of identities, namespaces, requestPrincipals, ipBlocks …; leave `from` out for everybody'),
  v.description('Who asks. All keys that are set must hold; of each list one value.'),
);

/** `to`. */
export const operation = v.pipe(
  mapping({
    hosts: some(hostPattern(), 'Host of the request, in any case; one without a port means every port.'),
    notHosts: none(hostPattern(), 'hosts'),
    ports: some(port(), 'Port that the connection came in at.'),
    notPorts: none(port(), 'ports'),
    methods: some(methodPattern(), 'Method: `GET`, which is not `HEAD`.'),
    notMethods: none(methodPattern(), 'methods'),
    paths: some(
      pathPattern(),
      'Path without its query, normalised; what refuses holds in any case, with or without a final slash: `/orders`, `/orders/*`, `*.json`, `/orders/{*}/lines` (one segment), `/files/{**}` (the rest).',
    ),
    notPaths: none(pathPattern(), 'paths'),
    serverNames: some(wildcardText(), 'Server name that the TLS handshake asked for.'),
    notServerNames: none(wildcardText(), 'server names'),
    destinationIpBlocks: some(addressRange(), 'Address that the connection came in at.'),
    notDestinationIpBlocks: none(addressRange(), 'addresses'),
  }),
  v.minEntries(1, 'at least one of hosts, ports, methods, paths …; leave `to` out for everything'),
  v.description('What is asked for. All keys that are set must hold; of each list one value.'),
);

const claimName = 'the name of a claim, or a list of names from the outside in';

/** An item of `when`. */
export const condition = v.pipe(
  oneKind(
    {
      header: v.pipe(v.exactOptional(tokenName()), v.description('A request header; of a repeated one a value has to match.')),
      claim: v.pipe(
        v.exactOptional(v.union([text(claimName), list(text(claimName))], claimName)),
        v.description('A claim of a verified token, `[realm, roles]` for one inside another; of a list one value has to match.'),
      ),
    },
    {
      values: some(wildcardText(), 'One of these; `*` = it is there.'),
      notValues: none(wildcardText(), 'values; holds where it is not there'),
    },
  ),
  v.check(
    ({ values, notValues }) => values !== undefined || notValues !== undefined,
    'it has nothing to compare with; set `values`, `notValues` or both',
  ),
  v.description('A further condition. Set `header` or `claim`.'),
);

/** An item of `authorization`. */
export const accessRule = v.pipe(
  mapping({
    name: v.pipe(
      ruleName(),
      v.description('Told where the rule decides: events, metrics, `rbac_access_denied_matched_policy[name]`.'),
    ),
    action: v.pipe(
      v.optional(oneOf(['allow', 'deny', 'audit', 'custom'], { log: 'audit', external: 'custom' }), 'allow'),
      v.description(
        '`allow`: may come in; where there is such a rule, what none allows is refused. `deny`: refused, whatever else allows it. `audit`: told as an event. `custom`: `authorizer` is asked.',
      ),
    ),
    authorizer: v.pipe(
      v.exactOptional(text('a key of `externalAuthorizers`')),
      v.description('Key of `externalAuthorizers`, for `custom`.'),
    ),
    dryRun: v.pipe(
      v.exactOptional(flag()),
      v.description('`true`: what it would decide is told as an event, and nothing is decided. For `allow` and `deny`.'),
    ),
    from: v.pipe(v.exactOptional(oneOrList(source)), v.description('Who asks; of a list one has to hold. Everybody by default.')),
    to: v.pipe(
      v.exactOptional(oneOrList(operation)),
      v.description('What is asked for; of a list one has to hold. Everything by default.'),
    ),
    when: v.pipe(v.exactOptional(list(condition)), v.description('Further conditions, all of which must hold.')),
  }),
  v.forward(
    v.check(
      ({ action, authorizer }) => action !== 'custom' || authorizer !== undefined,
      'it asks nobody; name one with `authorizer`, a key of `externalAuthorizers`',
    ),
    ['action'],
  ),
  v.forward(
    v.check(
      ({ action, authorizer }) => action === 'custom' || authorizer === undefined,
      'it has an effect with `action: custom` only; remove it',
    ),
    ['authorizer'],
  ),
  v.forward(
    v.check(
      ({ action, dryRun }) => dryRun !== true || action === 'allow' || action === 'deny',
      'only `allow` and `deny` can be tried without effect; remove it',
    ),
    ['dryRun'],
  ),
  v.description(
    'One rule: it holds where `from` and `to` and `when` hold, each where it is set. Rules that deny are asked first, then `custom`, then those that allow. A rule without conditions holds for every request.',
  ),
);
