/**
 * The verdict on what is delivered apart and is a part of a listener: the configuration of a filter (ECDS), the route table of a way in
 * (RDS). What it means depends on the chain that it stands in, so that it is judged as a part of every listener that names it: one that would make a listener bad is refused, and the last good one
 * stays. What it has without effect is reported with those listeners.
 */
import { Findings, type Finding, type Message } from '../translate/message.ts';
import { placeOfTable } from '../translate/inbound/listener.ts';
import type { ReadListener } from '../translate/received.ts';
import { messageFromWire } from '../wire/message-from-wire.ts';
import { checkListener, type CheckTools } from './check-resource.ts';
import type { Judgement } from './kept-resources.ts';
import type { NamingListener } from './listeners.ts';

/** A listener with the new configuration in it. */
export interface JudgedListener extends NamingListener {
  readonly judgement: Judgement & { readonly read?: ReadListener };
}

/** The configuration in the bytes, a `TypedExtensionConfig`; what is found in it is told to `findings` under its name. */
export function extensionFrom(name: string, bytes: Uint8Array, findings: Findings): Message | undefined {
  const message = messageFromWire(bytes, 'envoy.config.core.v3.TypedExtensionConfig', placeOf(name), findings);
  message?.skip('name');
  return message;
}

/** Judges a configuration as a part of the listeners that name it. */
export async function checkExtension(
  name: string,
  bytes: Uint8Array,
  naming: readonly NamingListener[],
  tools: CheckTools,
): Promise<Judgement & { readonly listeners: readonly JudgedListener[] }> {
  const findings = new Findings();
  const message = extensionFrom(name, bytes, findings);
  if (message !== undefined && message.text('name') !== name) message.problem('name', 'differs from the name of the resource');
  if (message !== undefined && message.any('typed_config') === undefined && findings.problems.length === 0)
    message.problem('typed_config', 'must be there');
  if (findings.problems.length > 0) return refusedIn(findings.problems, placeOf(name), '');

  const { extension } = tools.options;
  const options = {
    ...tools.options,
    extension: (other: string, found: Findings) =>
      other === name ? extensionFrom(name, bytes, found) : extension?.(other, found),
  };
  return judgeIn(naming, { ...tools, options }, placeOf(name));
}

/**
 * Judges a route table as a part of the ways in that name it (RDS): what its places say of filters means something in their chains
 * alone.
 */
export function checkInboundTable(
  name: string,
  bytes: Uint8Array,
  naming: readonly NamingListener[],
  tools: CheckTools,
): Promise<Judgement & { readonly listeners: readonly JudgedListener[] }> {
  const { inboundTable } = tools.options;
  const options = { ...tools.options, inboundTable: (other: string) => (other === name ? bytes : inboundTable?.(other)) };
  return judgeIn(naming, { ...tools, options }, placeOfTable(name));
}

/** Judges what stands at `place` of these listeners, with the options that have it there. */
async function judgeIn(
  naming: readonly NamingListener[],
  tools: CheckTools,
  place: string,
): Promise<Judgement & { readonly listeners: readonly JudgedListener[] }> {
  const listeners: JudgedListener[] = [];
  for (const listener of naming) {
    if (tools.pace.isOver) await tools.pace.turn();
    const judgement = await checkListener(listener.name, listener.bytes, tools);
    if (judgement.problems.length > 0) return refusedIn(judgement.problems, place, listener.name);
    listeners.push({ ...listener, judgement });
  }
  return { problems: [], unhonoured: [], notes: [], listeners };
}

function refusedIn(problems: readonly Finding[], place: string, listener: string) {
  return {
    problems: problems.map(({ path, reason }) => ({ path: pathIn(path, place, listener), reason })),
    unhonoured: [],
    notes: [],
    listeners: [],
  };
}

function placeOf(name: string): string {
  return `extension ${JSON.stringify(name)}`;
}

/** Within the configuration, or within the listener that it stands in. */
function pathIn(path: string, own: string, listener: string): string {
  if (path === own) return '';
  return path.startsWith(`${own}.`) ? path.slice(own.length + 1) : `listener ${JSON.stringify(listener)} ${path}`;
}
