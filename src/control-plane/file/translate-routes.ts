import type {
  ForwardOptions,
  HostRewrite,
  MirrorConfig,
  PathRewrite,
  RedirectAction,
  RouteAction,
  RouteConfig,
  WeightedDestination,
} from '../../model/route.ts';
import type { RouteFile, ServiceFile } from './schema.ts';
import { fractionFromPercent, matchFromFile } from './translate-matches.ts';
import { hashFromFile, mutationFromFile, policyFromFile } from './translate-policies.ts';

/** The routes of a service in order; one that takes every request when it has none. */
export function routesFromService(name: string, service: ServiceFile): RouteConfig[] {
  if (service.routes === undefined) {
    const to = [{ cluster: name, weight: 1 }];
    return [{ name, match: {}, action: { kind: 'forward', to, ...forwardOptions({}, service) } }];
  }
  return service.routes.map((route, index) => {
    const policy = policyFromFile(route);
    return {
      name: route.name ?? `${name}.routes[${index}]`,
      match: matchFromFile(route.match ?? {}),
      action: actionFromFile(name, route, service),
      ...(Object.keys(policy).length > 0 && { policy }),
    };
  });
}

function actionFromFile(name: string, route: RouteFile, service: ServiceFile): RouteAction {
  if (route.redirect !== undefined) return redirectFromFile(route.redirect, route);
  if (route.respond !== undefined) return { kind: 'respond', ...route.respond };
  const options = forwardOptions(route, service);
  if (route.serviceHeader !== undefined)
    return { kind: 'forward-by-header', header: route.serviceHeader.toLowerCase(), ...options };
  return { kind: 'forward', to: destinations(name, route), ...options };
}

type DestinationFile = NonNullable<RouteFile['to']>[number];

function destinations(own: string, { to = [{ weight: 1 }] }: RouteFile): WeightedDestination[] {
  return to.map(({ service = own, subset, weight, requestHeaders, responseHeaders }: DestinationFile) => ({
    cluster: service,
    ...(subset !== undefined && { subset }),
    weight,
    ...(requestHeaders !== undefined && { requestHeaders: mutationFromFile(requestHeaders) }),
    ...(responseHeaders !== undefined && { responseHeaders: mutationFromFile(responseHeaders) }),
  }));
}

function forwardOptions(route: RouteFile, service: ServiceFile): ForwardOptions {
  const { rewrite, mirror } = route;
  const hash = route.hash ?? service.hash;
  return {
    ...(rewrite?.path !== undefined && { pathRewrite: pathRewrite(rewrite.path, route) }),
    ...(rewrite?.host !== undefined && { hostRewrite: hostRewrite(rewrite.host) }),
    ...(rewrite?.appendForwardedHost === true && { appendForwardedHost: true }),
    ...(mirror !== undefined && { mirror: mirror.map(mirrorFromFile) }),
    ...(hash !== undefined && { hashPolicies: hashFromFile(hash) }),
  };
}

type RewriteFile = NonNullable<RouteFile['rewrite']>;

/** The schema made sure that exactly one is set. */
function pathRewrite({ full, prefix, regex, template }: NonNullable<RewriteFile['path']>, route: RouteFile): PathRewrite {
  if (full !== undefined) return { kind: 'full', path: full };
  if (prefix !== undefined) return prefixRewrite(prefix, route);
  if (template !== undefined) return { kind: 'template', template };
  return { kind: 'regex', ...substitution(regex!) };
}

/**
 * A prefix of text is replaced as it stands, as in Envoy: `/api` by `/` makes `//x` of `/api/x`. Of whole segments the slash between
 * them is one, as in the Gateway API, so that the same makes `/x`.
 */
function prefixRewrite(prefix: string, { match }: RouteFile): Exclude<PathRewrite, { kind: 'full' | 'template' }> {
  const segments = match?.path?.segmentPrefix?.replace(/\/$/, '');
  if (segments === undefined || !prefix.endsWith('/')) return { kind: 'prefix', prefix };
  const literal = segments.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&');
  const fold = match?.path?.ignoreCase === true ? '(?i)' : '';
  return { kind: 'regex', regex: `${fold}^${literal}/?`, substitution: prefix.replaceAll('\\', '\\\\') };
}

function hostRewrite(host: NonNullable<RewriteFile['host']>): HostRewrite {
  if (typeof host === 'string') return { kind: 'literal', host };
  if (host.header !== undefined) return { kind: 'header', name: host.header.toLowerCase() };
  if (host.regex !== undefined) return { kind: 'path-regex', ...substitution(host.regex) };
  return { kind: 'endpoint' };
}

function substitution(file: { readonly pattern: string; readonly substitution: string }) {
  return { regex: file.pattern, substitution: file.substitution };
}

function mirrorFromFile({ service, subset, percent, hostSuffix }: NonNullable<RouteFile['mirror']>[number]): MirrorConfig {
  return {
    cluster: service,
    ...(subset !== undefined && { subset }),
    fraction: fractionFromPercent(percent),
    ...(hostSuffix !== undefined && { hostSuffix }),
  };
}

function redirectFromFile({ path, ...redirect }: NonNullable<RouteFile['redirect']>, route: RouteFile): RedirectAction {
  const action = { kind: 'redirect', ...redirect } as const;
  if (path?.full !== undefined) return { ...action, path: path.full };
  if (path?.regex !== undefined) return { ...action, regex: substitution(path.regex) };
  if (path?.prefix === undefined) return action;
  const rewrite = prefixRewrite(path.prefix, route);
  if (rewrite.kind === 'prefix') return { ...action, prefix: rewrite.prefix };
  return { ...action, regex: { regex: rewrite.regex, substitution: rewrite.substitution } };
}
