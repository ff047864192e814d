/**
 * Numbers of routes by the text that a path has to begin with, as a radix tree: a path is walked once, however many routes there
 * are, and every node on its way says which routes it may be for. Lists are ascending, so that the order of the routes can be kept.
 */

/** How a route's text stands to a path. */
export type PathRelation = 'whole' | 'prefix' | 'segments';

/** Takes a list of numbers; called for each list on the way of a path. */
export type ListSink = (list: readonly number[]) => void;

interface Node {
  /** On the way from the parent. */
  text: string;
  /** By the first character of their texts. */
  readonly children: Map<number, Node>;
  readonly lists: { [relation in PathRelation]?: number[] };
}

const slash = 47;

/** A tree that texts are added to, in ascending order of their numbers. */
export class PathTree {
  private readonly root: Node = createNode('');

  add(text: string, relation: PathRelation, number: number): void {
    const node = nodeOf(this.root, text);
    (node.lists[relation] ??= []).push(number);
  }

  /** Gives `take` the lists of every text that the path is for. */
  collect(path: string, take: ListSink): void {
    let node = this.root;
    let position = 0;
    for (;;) {
      const { prefix, segments, whole } = node.lists;
      if (prefix !== undefined) take(prefix);
      const isEnd = position === path.length;
      if (segments !== undefined && (isEnd || path.charCodeAt(position) === slash)) take(segments);
      if (isEnd) {
        if (whole !== undefined) take(whole);
        return;
      }
      const child = node.children.get(path.charCodeAt(position));
      if (child === undefined || !path.startsWith(child.text, position)) return;
      position += child.text.length;
      node = child;
    }
  }
}

function createNode(text: string): Node {
  return { text, children: new Map(), lists: {} };
}

/** The node at the end of the text; nodes on the way are split where it leaves them. */
function nodeOf(root: Node, text: string): Node {
  let node = root;
  let rest = text;
  while (rest !== '') {
    const child = node.children.get(rest.charCodeAt(0));
    if (child === undefined) {
      const leaf = createNode(rest);
      node.children.set(rest.charCodeAt(0), leaf);
      return leaf;
    }
    const shared = sharedLength(child.text, rest);
    if (shared < child.text.length) {
      const middle = createNode(child.text.slice(0, shared));
      node.children.set(rest.charCodeAt(0), middle);
      child.text = child.text.slice(shared);
      middle.children.set(child.text.charCodeAt(0), child);
      node = middle;
    } else node = child;
    rest = rest.slice(shared);
  }
  return node;
}

function sharedLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}
