/** Checks of listeners, out and in. */
import { isIP } from 'node:net';
import type { FilterChainConfig, ListenerConfig } from '../../model/listener.ts';
import type { LabelValue, TelemetryConfig } from '../../model/telemetry.ts';
import { checkAuthorizationPolicy, checkExternalAuthorizer, checkJwtProvider, checkJwtRule } from './authorization.ts';
import { printed, type Check } from './check.ts';
import { checkAdmission, checkInboundLimits } from './limits.ts';
import { checkFraction } from './matchers.ts';
import type { Sliced } from './plain-data.ts';
import { checkFault, checkRateLimit, checkRequestPolicy } from './policies.ts';
import { checkRouteTable } from './route-table.ts';
import { checkAlpn, checkPeers, checkSanMatchers, checkVersions } from './tls.ts';

const protocols = ['detect', 'http1', 'http2', 'grpc', 'tls', 'opaque'];

/** Checks a listener. */
export function* checkListener(check: Check, listener: ListenerConfig): Sliced<ListenerConfig> {
  check.port('port', listener.port, 1);
  if (listener.address !== undefined && isIP(listener.address) === 0)
    check.reject(`${printed(listener.address)} is not an IP address`, 'address');
  check.durationMs('detectTimeoutMs', listener.detectTimeoutMs);
  if (listener.direction === 'outbound') {
    check.oneOf('protocol', listener.protocol, protocols);
    check.within('policy', listener.policy, checkRequestPolicy);
    check.within('telemetry', listener.telemetry, checkTelemetry);
    check.enter('routes');
    if (typeof listener.routes === 'string') check.name('', listener.routes);
    else if (typeof listener.routes !== 'object') check.reject('must be the name of a route table, or the table itself');
    else yield* checkRouteTable(check, listener.routes);
    check.leave();
  } else if (listener.direction === 'inbound') {
    check.oneOf('mode', listener.mode ?? 'nothing', ['disabled', 'permissive', 'strict']);
    check.each('plaintextPaths', listener.plaintextPaths, (inner, path) => inner.name('', path));
    check.within('limits', listener.limits, checkInboundLimits);
    check.within('proxyProtocol', listener.proxyProtocol, (inner, { from, isRequired }) => {
      inner.each('from', from, (each, cidr) => each.cidr('', cidr));
      inner.flag('isRequired', isRequired);
    });
    check.enter('filterChains');
    for (const [index, chain] of check.list(listener.filterChains).entries()) {
      check.enter(index);
      yield* checkFilterChain(check, chain);
      check.leave();
    }
    check.leave();
  } else check.reject('is neither outbound nor inbound', 'direction');
  return listener;
}

function* checkFilterChain(check: Check, chain: FilterChainConfig): Sliced<void> {
  check.name('name', chain.name);
  check.within('match', chain.match ?? {}, (inner, match) => {
    inner.oneOf('transport', match.transport, ['tls', 'plaintext']);
    checkAlpn(inner, match.alpn);
    inner.each('serverNames', match.serverNames, (each, name) => each.name('', name));
    inner.each('sourceCidrs', match.sourceCidrs, (each, cidr) => each.cidr('', cidr));
    inner.oneOf('source', match.source, ['local', 'external']);
    inner.each('destinationCidrs', match.destinationCidrs, (each, cidr) => each.cidr('', cidr));
  });
  check.within('tls', chain.tls, (inner, tls) => {
    inner.name('identity', tls.identity);
    inner.flag('requireClientCertificate', tls.requireClientCertificate ?? null);
    inner.each('cipherSuites', tls.cipherSuites, (each, suite) => each.name('', suite));
    if (tls.trust !== undefined) inner.name('trust', tls.trust);
    checkPeers(inner, tls.peers);
    checkAlpn(inner, tls.alpn);
    checkVersions(inner, tls);
  });
  check.oneOf('protocol', chain.protocol, protocols);
  check.within('pathNormalization', chain.pathNormalization, (inner, { normalize, mergeSlashes, escapedSlashes, isStrict }) => {
    inner.flag('normalize', normalize ?? null);
    inner.flag('isStrict', isStrict);
    inner.flag('mergeSlashes', mergeSlashes ?? null);
    inner.oneOf('escapedSlashes', escapedSlashes ?? 'nothing', ['keep', 'reject', 'unescape', 'redirect']);
  });
  check.within('forwardClientCertificate', chain.forwardClientCertificate, (inner, { mode, fields }) => {
    inner.oneOf('mode', mode ?? 'nothing', ['sanitize', 'forward-only', 'append-forward', 'sanitize-set', 'always-forward-only']);
    inner.each('fields', fields, (each, field) => each.oneOf('', field, ['subject', 'cert', 'chain', 'dns', 'uri']));
  });
  check.whole('trustedHops', chain.trustedHops, 0);
  if (chain.serverHeader !== undefined) check.headerValue('serverHeader', chain.serverHeader);
  check.each('jwt', chain.jwt, checkJwtProvider);
  const providers = new Set(check.list(chain.jwt).map(({ name }) => name));
  check.each('jwtRules', chain.jwtRules, (inner, rule) => checkJwtRule(inner, rule, providers));
  // Left out by mistake, it would let everybody in.
  if (!Array.isArray(chain.authorization)) check.reject('must be a list; an empty one lets everybody in', 'authorization');
  check.each('authorization', chain.authorization, checkAuthorizationPolicy);
  check.each('connectionAuthorization', chain.connectionAuthorization, checkAuthorizationPolicy);
  check.each('externalAuthorizers', chain.externalAuthorizers, checkExternalAuthorizer);
  check.within('rateLimit', chain.rateLimit, checkRateLimit);
  check.within('fault', chain.fault, checkFault);
  check.within('admission', chain.admission, checkAdmission);
  checkSanMatchers(check, 'trustedPeers', chain.trustedPeers);
  check.each('forwardHeaders', chain.forwardHeaders, (inner, name) => inner.headerName('', name, 'any-case'));
  check.flag('isFallback', chain.isFallback);
  check.flag('loadReport', chain.loadReport);
  check.within('policy', chain.policy, checkRequestPolicy);
  check.within('telemetry', chain.telemetry, checkTelemetry);
  if (chain.routes !== undefined) {
    check.enter('routes');
    if (typeof chain.routes === 'string') check.name('', chain.routes);
    else yield* checkRouteTable(check, chain.routes);
    check.leave();
  }
}

function checkTelemetry(check: Check, telemetry: TelemetryConfig): void {
  check.within('traceSampling', telemetry.traceSampling, checkFraction);
  check.within('traceLimits', telemetry.traceLimits, (inner, { client, overall }) => {
    inner.within('client', client, checkFraction);
    inner.within('overall', overall, checkFraction);
  });
  check.within('traceTags', telemetry.traceTags, (inner, tags) => {
    for (const [name, value] of Object.entries(tags)) checkLabel(inner, name, value);
  });
  check.each('accessLogs', telemetry.accessLogs, (inner, { format, to, template, errorsOnly }) => {
    inner.oneOf('format', format ?? 'nothing', ['text', 'json']);
    inner.oneOf('to', to, ['stdout', 'stderr', 'events']);
    inner.flag('errorsOnly', errorsOnly);
    if (typeof template === 'object')
      inner.within('template', template, (each, texts) => Object.entries(texts).forEach(([key, text]) => each.text(key, text)));
    else if (template !== undefined) inner.text('template', template);
  });
  check.each('metrics', telemetry.metrics, (inner, { name, labels, disabled }) => {
    inner.name('name', name);
    inner.flag('disabled', disabled);
    inner.within('labels', labels, (each, values) => {
      for (const [label, value] of Object.entries(values)) if (value !== null) checkLabel(each, label, value);
    });
  });
  check.within('peerMetadata', telemetry.peerMetadata, (inner, { discover, propagate }) => {
    inner.each('discover', discover, (each, way) => each.oneOf('', way, ['headers', 'workloads']));
    inner.flag('propagate', propagate ?? null);
  });
}

/** A text, or the header that has it. */
function checkLabel(check: Check, key: string, value: LabelValue): void {
  if (typeof value === 'string') return;
  check.within(key, value, (inner, { header, default: fallback }) => {
    inner.headerName('header', header, 'any-case');
    if (fallback !== undefined) inner.text('default', fallback);
  });
}
