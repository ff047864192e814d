/** Keys of `inbound` that others leave without effect: the file is taken, and `mesh.status()` shows them. */
import type { Problem } from '../../model/contracts.ts';
import { pathText } from './file-problem.ts';
import type { AccessRuleFile, InboundFile, MeshFile } from './schema.ts';
import { hasInboundIdentity, inboundItems, inboundListenerName } from './translate-inbound.ts';

type Report = (path: string, reason: string) => void;

/** What of `inbound` has no effect, or not the one that it seems to have. */
export function inboundWithoutEffect(file: MeshFile): Problem[] {
  const problems: Problem[] = [];
  for (const { file: inbound, path } of inboundItems(file)) {
    const key = { kind: 'listener', name: inboundListenerName(inbound) } as const;
    ofItem(file, inbound, (at, reason) => problems.push({ key, path: `${pathText(path)}${at}`, reason }));
  }
  return problems;
}

function ofItem(file: MeshFile, inbound: InboundFile, report: Report): void {
  const { mode, authorization = [], externalAuthorizers = {}, trustedHops = 0, proxyProtocol, jwt } = inbound;
  if (mode === 'permissive' && !hasInboundIdentity(inbound, file))
    report(
      '.mode',
      'there is no certificate to show and no roots, so that `mesh.listen` takes plaintext alone; add `identity: { certificate, privateKey, trustBundle }`, or name one by `inbound.identity`',
    );
  for (const [index, rule] of authorization.entries()) {
    const at = `.authorization[${index}]`;
    ofRule(inbound, rule, (below, reason) => report(`${at}${below}`, reason));
  }
  openRule(authorization, report);
  const asked = new Set(authorization.map(({ authorizer }) => authorizer));
  for (const name of Object.keys(externalAuthorizers))
    if (!asked.has(name)) report(`.externalAuthorizers.${name}`, 'no rule with `action: custom` names it');
  if (trustedHops === 0 && proxyProtocol === undefined)
    for (const [at, key] of keysOf(authorization, ['remoteIpBlocks', 'notRemoteIpBlocks']))
      report(`${at}.${key}`, 'without `trustedHops` the address of the client is that of the connection, as in `ipBlocks`');
  if (jwt === undefined) return;
  for (const [index, { payloadHeader, claimHeaders = {} }] of jwt.providers.entries())
    for (const header of [...(payloadHeader === undefined ? [] : [payloadHeader]), ...Object.keys(claimHeaders)])
      if (header.toLowerCase() === 'authorization')
        report(`.jwt.providers[${index}]`, 'a header that carries tokens is written over with what one of them says');
}

const ofPeer = ['identities', 'namespaces', 'serviceAccounts'] as const;
const ofToken = ['requestPrincipals'] as const;

/** A rule whose condition never holds, because nothing that it looks at is ever there. */
function ofRule(inbound: InboundFile, rule: AccessRuleFile, report: Report): void {
  const sources = [rule.from ?? []].flat();
  for (const [index, source] of sources.entries()) {
    const at = Array.isArray(rule.from) ? `.from[${index}]` : '.from';
    const peers = ofPeer.filter((key) => source[key] !== undefined);
    if (inbound.mode === 'disabled' && peers.length > 0)
      report(`${at}.${peers[0]}`, 'with `mode: disabled` nobody shows a certificate, so that it never holds');
    const tokens = ofToken.filter((key) => source[key] !== undefined);
    if (inbound.jwt === undefined && tokens.length > 0)
      report(`${at}.${tokens[0]}`, 'tokens are looked at with `jwt` only, so that it never holds');
  }
  for (const [index, { claim, values }] of (rule.when ?? []).entries())
    if (inbound.jwt === undefined && claim !== undefined && values !== undefined)
      report(`.when[${index}].claim`, 'tokens are looked at with `jwt` only, so that it never holds');
  const { port } = inbound;
  for (const [index, { ports }] of [rule.to ?? []].flat().entries())
    if (port !== undefined && ports !== undefined && !ports.includes(port))
      report(
        `${Array.isArray(rule.to) ? `.to[${index}]` : '.to'}.ports`,
        `this item is for port ${port} alone, so that it never holds`,
      );
}

/** Where one rule allows everything, the others that allow say nothing. */
function openRule(rules: readonly AccessRuleFile[], report: Report): void {
  const isOpen = ({ action, dryRun, from, to, when }: AccessRuleFile): boolean =>
    action === 'allow' && dryRun !== true && from === undefined && to === undefined && when === undefined;
  const open = rules.find(isOpen);
  if (open === undefined) return;
  for (const [index, rule] of rules.entries())
    if (rule !== open && rule.action === 'allow' && rule.dryRun !== true)
      report(`.authorization[${index}]`, `the rule "${open.name}" allows everything already`);
}

function* keysOf<K extends keyof SourceFile>(
  rules: readonly AccessRuleFile[],
  keys: readonly K[],
): Generator<readonly [at: string, key: K]> {
  for (const [index, { from }] of rules.entries()) {
    for (const [place, source] of [from ?? []].flat().entries()) {
      const at = `.authorization[${index}].from${Array.isArray(from) ? `[${place}]` : ''}`;
      for (const key of keys) if (source[key] !== undefined) yield [at, key];
    }
  }
}

type SourceFile = Exclude<NonNullable<AccessRuleFile['from']>, readonly unknown[]>;
