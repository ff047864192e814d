/** `routes` of a service: which requests go where, under which policy. */
import * as v from 'valibot';
import { destination, mirror, redirect, respond, rewrite } from './schema-actions.ts';
import { routeMatch } from './schema-matches.ts';
import { requestPolicies } from './schema-requests.ts';
import { list, mapping, text, tokenName } from './schema-values.ts';

const actions = ['to', 'serviceHeader', 'redirect', 'respond'] as const;
/** What has an effect only where a request goes to an endpoint. */
const forwarding = [
  'rewrite',
  'mirror',
  'hash',
  'retry',
  'hedge',
  'requestHeaders',
  'sessionAffinity',
  'priority',
  'upgrades',
  'timeoutMs',
  'responseTimeoutMs',
  'streamIdleTimeoutMs',
  'maxStreamDurationMs',
  'grpcTimeoutCapMs',
  'overrideHeaders',
  'includeAttemptCount',
] as const;

type Keys = Readonly<Record<string, unknown>>;
const actionsOf = (route: Keys): string[] => actions.filter((key) => route[key] !== undefined);
const answerOf = (route: Keys): string | undefined => ['redirect', 'respond'].find((key) => route[key] !== undefined);
const idleKeys = (route: Keys): string[] => forwarding.filter((key) => route[key] !== undefined);

/** An item of `routes`. */
export const route = v.pipe(
  mapping({
    name: v.pipe(
      v.exactOptional(text('a name')),
      v.description('Shown in errors, spans and `mesh.explain`. Default: its place, such as `orders.routes[0]`.'),
    ),
    match: v.exactOptional(routeMatch),
    to: v.pipe(
      v.exactOptional(list(destination)),
      v.description('Where the requests go; drawn once per request by weight. Default: all endpoints of the service.'),
    ),
    serviceHeader: v.pipe(
      v.exactOptional(tokenName()),
      v.description('Instead of `to`: a request header whose value is the name of the service of this file to send to.'),
    ),
    redirect: v.exactOptional(redirect),
    respond: v.exactOptional(respond),
    rewrite: v.exactOptional(rewrite),
    mirror: v.pipe(v.exactOptional(list(mirror)), v.description('Services that get copies of the requests.')),
    ...requestPolicies,
  }),
  v.check(
    (value) => actionsOf(value).length <= 1,
    ({ input }) => `it has ${actionsOf(input as Keys).join(' and ')}; keep one of them`,
  ),
  v.check(
    (value) => actionsOf(value).length > 1 || answerOf(value) === undefined || idleKeys(value).length === 0,
    ({ input }) =>
      `${idleKeys(input as Keys).join(', ')}: without effect, since \`${answerOf(input as Keys)}\` sends nothing to an endpoint; remove it`,
  ),
  v.description('One rule. The first route that matches wins; the policies that it sets replace those of the service.'),
);
