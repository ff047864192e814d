/**
 * The verdict on the configuration of a filter that is delivered apart (ECDS). What it means depends on the chain that it stands in, so
 * that it is judged as a part of every listener that names it: one that would make a listener bad is refused, and the last good one
 * stays. What it has without effect is reported with those listeners.
 */
import { Findings, type Message } from '../translate/message.ts';
import type { ReadListener } from '../translate/received.ts';
import { messageFromWire } from '../wire/message-from-wire.ts';
import { checkListener, type CheckTools } from './check-resource.ts';
import type { Judgement } from './kept-resources.ts';

/** A listener that is kept. */
export interface NamingListener {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The same with the new configuration in it. */
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
  const refused = ({ problems }: Pick<Judgement, 'problems'>, listener: string) => ({
    problems: problems.map(({ path, reason }) => ({ path: pathIn(path, name, listener), reason })),
    unhonoured: [],
    notes: [],
    listeners: [],
  });
  if (findings.problems.length > 0) return refused(findings, '');

  const { extension } = tools.options;
  const options = {
    ...tools.options,
    extension: (other: string, found: Findings) =>
      other === name ? extensionFrom(name, bytes, found) : extension?.(other, found),
  };
  const listeners: JudgedListener[] = [];
  for (const listener of naming) {
    if (tools.pace.isOver) await tools.pace.turn();
    const judgement = await checkListener(listener.name, listener.bytes, { ...tools, options });
    if (judgement.problems.length > 0) return refused(judgement, listener.name);
    listeners.push({ ...listener, judgement });
  }
  return { problems: [], unhonoured: [], notes: [], listeners };
}

function placeOf(name: string): string {
  return `extension ${JSON.stringify(name)}`;
}

/** Within the configuration, or within the listener that it stands in. */
function pathIn(path: string, name: string, listener: string): string {
  const own = placeOf(name);
  if (path === own) return '';
  return path.startsWith(`${own}.`) ? path.slice(own.length + 1) : `listener ${JSON.stringify(listener)} ${path}`;
}
