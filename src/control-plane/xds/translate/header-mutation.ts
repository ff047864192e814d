/** Changes to headers: `request_headers_to_add` and its kin, and the mutations of the header mutation filter. */
import type { HeaderMutation } from '../../../model/policy.ts';
import { literalText, type Surroundings } from './format.ts';
import type { Message } from './message.ts';

type Pair = readonly [name: string, value: string];
type Additions = { [K in 'setIfAbsent' | 'setIfPresent' | 'set' | 'add']: Pair[] };

/** Envoy's append actions in the order of their numbers, with the list of the model that each belongs to. */
const actions = ['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS'] as const;
const lists = {
  APPEND_IF_EXISTS_OR_ADD: 'add',
  ADD_IF_ABSENT: 'setIfAbsent',
  OVERWRITE_IF_EXISTS_OR_ADD: 'set',
  OVERWRITE_IF_EXISTS: 'setIfPresent',
} as const;

/** Reads `<which>_headers_to_add` and `<which>_headers_to_remove` of a place; undefined when there is nothing to change. */
export function headerMutationFrom(
  message: Message,
  which: 'request' | 'response',
  surroundings: Surroundings,
): HeaderMutation | undefined {
  const additions = readAdditions(message.messages(`${which}_headers_to_add`), surroundings);
  const remove = message.texts(`${which}_headers_to_remove`).map((name) => name.toLowerCase());
  return mutationOf(remove, additions);
}

/** Reads a list of `HeaderValueOption`. */
export function additionsFrom(options: readonly Message[], surroundings: Surroundings): HeaderMutation | undefined {
  return mutationOf([], readAdditions(options, surroundings));
}

/** Reads a list of `HeaderMutation`, which are carried out one after the other, as one. */
export function mutationListFrom(mutations: readonly Message[], surroundings: Surroundings): HeaderMutation | undefined {
  let result: HeaderMutation | undefined;
  for (const mutation of mutations) {
    const remove = mutation.name('remove');
    if (remove !== undefined) result = followedBy(result, { remove: [remove.toLowerCase()] });
    const append = mutation.message('append');
    if (append !== undefined) result = followedBy(result, additionsFrom([append], surroundings));
    const match = mutation.message('remove_on_match');
    if (match !== undefined) {
      const matcher = match.message('key_matcher');
      const exact = matcher?.name('exact');
      if (exact !== undefined) result = followedBy(result, { remove: [exact.toLowerCase()] });
    }
  }
  return result;
}

/** Two mutations, one after the other, as one: what the second removes or sets makes what the first did to that header void. */
export function followedBy(first: HeaderMutation | undefined, second: HeaderMutation | undefined): HeaderMutation | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  const removed = new Set(second.remove);
  const overwritten = new Set([...removed, ...(second.set ?? []).map(([name]) => name.toLowerCase())]);
  const kept = (pairs: readonly Pair[] | undefined, gone: ReadonlySet<string>): Pair[] =>
    (pairs ?? []).filter(([name]) => !gone.has(name.toLowerCase()));
  const certain = new Set(
    [...(first.set ?? []), ...(first.add ?? []), ...(first.setIfAbsent ?? [])].map(([name]) => name.toLowerCase()),
  );
  return mutationOf([...new Set([...(first.remove ?? []), ...removed])], {
    // Where the first one made sure that the header is there, the second's condition is known.
    setIfAbsent: [
      ...kept(first.setIfAbsent, overwritten),
      ...(second.setIfAbsent ?? []).filter(([name]) => removed.has(name.toLowerCase()) || !certain.has(name.toLowerCase())),
    ],
    setIfPresent: [...kept(first.setIfPresent, overwritten), ...(second.setIfPresent ?? [])],
    set: [...kept(first.set, overwritten), ...(second.set ?? [])],
    add: [...kept(first.add, overwritten), ...(second.add ?? [])],
  });
}

function readAdditions(options: readonly Message[], surroundings: Surroundings): Additions {
  const additions: Additions = { setIfAbsent: [], setIfPresent: [], set: [], add: [] };
  for (const option of options) {
    const header = option.message('header');
    const action = actionOf(option);
    const keepsEmpty = option.flag('keep_empty_value') ?? false;
    if (header === undefined) {
      option.problem('header', 'must have a key and a value');
      continue;
    }
    const name = header.text('key') ?? '';
    if (name === '') header.problem('key', 'must be the name of a header');
    const written = rawValue(header);
    const value = literalText(written, surroundings);
    if ('mistake' in value) header.problem('value', value.mistake);
    else if ('unknown' in value) header.note('value', value.unknown);
    // Envoy leaves a header out whose value came out empty.
    else if (value.text !== '' || keepsEmpty) additions[lists[action]].push([name, value.text]);
  }
  return additions;
}

function rawValue(header: Message): string {
  const bytes = header.name('raw_value');
  return bytes === undefined ? (header.text('value') ?? '') : Buffer.from(bytes, 'base64').toString('utf8');
}

function actionOf(option: Message): (typeof actions)[number] {
  const action = option.choice('append_action', actions);
  if (action !== undefined) {
    option.skip('append');
    return action;
  }
  // The older field: absent means true.
  return option.flag('append') === false ? 'OVERWRITE_IF_EXISTS_OR_ADD' : 'APPEND_IF_EXISTS_OR_ADD';
}

function mutationOf(remove: readonly string[], additions: Partial<Additions>): HeaderMutation | undefined {
  const { setIfAbsent = [], setIfPresent = [], set = [], add = [] } = additions;
  if (remove.length + setIfAbsent.length + setIfPresent.length + set.length + add.length === 0) return undefined;
  return {
    ...(remove.length > 0 && { remove }),
    ...(setIfAbsent.length > 0 && { setIfAbsent }),
    ...(setIfPresent.length > 0 && { setIfPresent }),
    ...(set.length > 0 && { set }),
    ...(add.length > 0 && { add }),
  };
}
