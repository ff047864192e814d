/** Checks of a route table: virtual hosts, routes and what they do with a request. */
import type { PathMatcher } from '../../model/match.ts';
import type {
  ForwardOptions,
  MirrorConfig,
  RespondAction,
  RouteAction,
  RouteConfig,
  RouteTableConfig,
  WeightedDestination,
} from '../../model/route.ts';
import { maxUint32, printed, type Check } from './check.ts';
import { checkHeaderMutation } from './headers.ts';
import { checkFraction, checkHeaderMatchers, checkRouteMatch } from './matchers.ts';
import type { Sliced } from './plain-data.ts';
import { checkFault, checkHashPolicy, checkRequestPolicy } from './policies.ts';
import { checkHostRewrite, checkPathRewrite, checkRedirect } from './rewrites.ts';

/** Largest number of routes of one table. */
const maxRoutesPerTable = 10_000;
const routesPerSlice = 16;

/** Checks a table. */
export function* checkRouteTable(check: Check, table: RouteTableConfig): Sliced<RouteTableConfig> {
  check.within('policy', table.policy, checkRequestPolicy);
  check.flag('ignorePortInHost', table.ignorePortInHost);
  check.flag('mostSpecificHeadersWin', table.mostSpecificHeadersWin);
  const owners = new Map<string, string>();
  let count = 0;
  check.enter('virtualHosts');
  if (table.virtualHosts === undefined) check.reject('must be a list, even if it is empty');
  for (const [index, host] of check.list(table.virtualHosts).entries()) {
    yield;
    check.enter(index);
    check.name('name', host.name);
    checkDomains(check, host.name, host.domains, owners);
    check.within('policy', host.policy, checkRequestPolicy);
    check.oneOf('requireTls', host.requireTls, ['all', 'external']);
    check.each('virtualClusters', host.virtualClusters, (inner, cluster) => {
      inner.name('name', cluster.name);
      checkHeaderMatchers(inner, 'headers', cluster.headers);
    });
    check.enter('routes');
    if (host.routes === undefined) check.reject('must be a list, even if it is empty');
    for (const [at, route] of check.list(host.routes).entries()) {
      if (++count % routesPerSlice === 0) yield;
      if (count > maxRoutesPerTable) continue;
      check.enter(at);
      checkRoute(check, route);
      check.leave();
    }
    check.leave();
    check.leave();
  }
  if (count > maxRoutesPerTable) check.reject(`has ${count} routes; at most ${maxRoutesPerTable} are allowed in a table`);
  check.leave();
  return table;
}

/** Envoy refuses a domain that two virtual hosts claim; which of them was meant cannot be known. */
function checkDomains(check: Check, host: string, domains: readonly string[], owners: Map<string, string>): void {
  check.enter('domains');
  const list = check.list(domains);
  if (list.length === 0) check.reject('must name at least one domain; `*` serves every host');
  for (const [index, domain] of list.entries()) {
    check.name(index, domain);
    if (typeof domain !== 'string') continue;
    if (/[\s/?#@]/.test(domain)) check.reject(`${printed(domain)} is not a host; leave out the scheme and the path`, index);
    const star = domain.indexOf('*');
    if (star !== domain.lastIndexOf('*') || (star > 0 && star < domain.length - 1)) {
      check.reject(`${printed(domain)} has a star inside; it may stand at the beginning or at the end`, index);
    }
    const folded = domain.toLowerCase();
    const owner = owners.get(folded);
    if (owner !== undefined) check.reject(`${printed(domain)} belongs to the virtual host ${printed(owner)} already`, index);
    else owners.set(folded, host);
  }
  check.leave();
}

function checkRoute(check: Check, route: RouteConfig): void {
  check.name('name', route.name);
  check.within('match', route.match ?? null, checkRouteMatch);
  check.within('action', route.action ?? null, (inner, action) => checkAction(inner, action, route.match?.path));
  check.within('policy', route.policy, checkRequestPolicy);
  if (route.operation !== undefined) check.name('operation', route.operation);
}

function checkAction(check: Check, action: RouteAction, match: PathMatcher | undefined): void {
  switch (action.kind) {
    case 'forward':
      checkDestinations(check, action.to, match);
      check.oneOf('draw', action.draw, ['weighted', 'weighted-available', 'first-available']);
      checkForwardOptions(check, action, match);
      return;
    case 'forward-by-header':
      check.headerName('header', action.header, 'lower-case');
      checkForwardOptions(check, action, match);
      return;
    case 'redirect':
      checkRedirect(check, action);
      return;
    case 'respond':
      checkRespond(check, action);
      return;
    case 'unsupported':
      check.note(`${action.reason}: requests that reach this route fail`);
      return;
    default:
      check.reject('is none of forward, forward-by-header, redirect, respond, unsupported', 'kind');
  }
}

function checkDestinations(check: Check, destinations: readonly WeightedDestination[], match: PathMatcher | undefined): void {
  check.enter('to');
  const list = check.list(destinations);
  if (list.length === 0) check.reject('must name at least one destination');
  let sum = 0;
  for (const [index, destination] of list.entries()) {
    check.enter(index);
    checkDestination(check, destination, match);
    check.leave();
    sum += destination.weight;
  }
  if (sum > maxUint32) check.reject(`the weights add up to ${sum}; at most ${maxUint32} is allowed`);
  if (sum === 0 && list.length > 0) check.reject('all weights are 0; give one destination a weight, or use `respond`');
  check.leave();
}

function checkDestination(check: Check, destination: WeightedDestination, match: PathMatcher | undefined): void {
  check.name('cluster', destination.cluster);
  if (destination.subset !== undefined) check.name('subset', destination.subset);
  check.whole('weight', destination.weight ?? null, 0);
  check.within('requestHeaders', destination.requestHeaders, checkHeaderMutation);
  check.within('responseHeaders', destination.responseHeaders, checkHeaderMutation);
  check.within('pathRewrite', destination.pathRewrite, (inner, rewrite) => checkPathRewrite(inner, rewrite, match));
  check.within('hostRewrite', destination.hostRewrite, checkHostRewrite);
  check.within('fault', destination.fault, checkFault);
  check.durationMs('timeoutMs', destination.timeoutMs);
  check.each('mirror', destination.mirror, checkMirror);
  check.within('answer', destination.answer, (inner, answer) => {
    if (answer.kind === 'redirect') checkRedirect(inner, answer);
    else if (answer.kind === 'respond') checkRespond(inner, answer);
    else inner.reject('is neither redirect nor respond', 'kind');
  });
}

function checkForwardOptions(check: Check, options: ForwardOptions, match: PathMatcher | undefined): void {
  check.within('pathRewrite', options.pathRewrite, (inner, rewrite) => checkPathRewrite(inner, rewrite, match));
  check.within('hostRewrite', options.hostRewrite, checkHostRewrite);
  check.flag('appendForwardedHost', options.appendForwardedHost);
  check.each('mirror', options.mirror, checkMirror);
  check.each('hashPolicies', options.hashPolicies, checkHashPolicy);
  check.oneOf('clusterNotFoundStatus', options.clusterNotFoundStatus, [404, 500, 503]);
}

function checkMirror(check: Check, mirror: MirrorConfig): void {
  check.name('cluster', mirror.cluster);
  if (mirror.subset !== undefined) check.name('subset', mirror.subset);
  check.within('fraction', mirror.fraction ?? {}, checkFraction);
  if (mirror.hostSuffix !== undefined && !/^[\w.-]{0,255}$/.test(mirror.hostSuffix))
    check.reject(`${printed(mirror.hostSuffix)} cannot be the end of a host name: letters, digits, - and .`, 'hostSuffix');
  check.flag('traceSampled', mirror.traceSampled);
}

function checkRespond(check: Check, action: RespondAction): void {
  check.whole('status', action.status ?? null, 200, 599);
  if (action.body !== undefined) check.text('body', action.body);
}
