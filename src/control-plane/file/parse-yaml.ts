/**
 * YAML text → plain values, with the place of each. The tree of the parser is converted here rather than by its own `toJS`, because
 * every bound must hold while converting: depth, aliases (an alias of an alias counts each time it is expanded, which is what a
 * "billion laughs" text lives on), prototype keys, tags, duplicate keys.
 */
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser, visit } from 'yaml';
import type { Alias, CST, Document, Node, Pair } from 'yaml';
import { shown, type FilePath, type FileProblem } from './file-problem.ts';
import { emptyMapping, forbiddenKeyReason, isForbiddenKey, maxDepth, tooDeepReason, type PlainValue } from './plain-value.ts';

/** Expansions of aliases in one text. */
export const maxAliases = 100;

/** Line and column in the text, from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/**
 * A text as plain data, its mistakes, and the way back from a path to a place in the text. Below a mistake `value` means nothing;
 * it is null where it could not be read to its end.
 */
export interface ParsedYaml {
  readonly value: PlainValue;
  readonly problems: readonly FileProblem[];
  /** Problems of the syntax, which have a place and no path. */
  readonly syntax: readonly (TextPlace & { readonly reason: string })[];
  /** Place of a value, or of its key; of the nearest enclosing one when it is not in the text. */
  readonly locate: (path: FilePath, atKey: boolean) => TextPlace | undefined;
}

type AnyNode = Node | null | undefined;

/** Parses YAML 1.2 with the core schema. Does not throw: mistakes are returned. */
export function parseYaml(text: string): ParsedYaml {
  const lines = new LineCounter();
  const tokens = readTokens(text, lines);
  if (typeof tokens === 'string')
    return { value: null, problems: [{ path: [], reason: tokens }], syntax: [], locate: () => undefined };
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    uniqueKeys: false,
    logLevel: 'silent',
  });
  const [document, second] = composer.compose(tokens, true, text.length);
  const place = (offset: number): TextPlace => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document === undefined) return { value: null, problems: [], syntax: [], locate: () => undefined };
  // An unknown tag is reported by the conversion, which knows its path.
  const complaints = [...document.errors, ...document.warnings].filter((complaint) => complaint.code !== 'TAG_RESOLVE_FAILED');
  const syntax = complaints.map((complaint) => ({
    ...place(complaint.pos[0]),
    reason: complaint.code === 'NON_STRING_KEY' ? 'a key must be plain text' : complaint.message,
  }));
  if (second !== undefined)
    syntax.push({ ...place(second.range[0]), reason: 'a second document begins here; keep one document in the file' });
  const anchors = new Anchors(document);
  const conversion = new Conversion(anchors);
  const value = syntax.length === 0 ? conversion.convert(document.contents, []) : null;
  return {
    value: conversion.isComplete ? value : null,
    problems: conversion.problems,
    syntax,
    locate: (path, atKey) => {
      const offset = offsetOf(document, anchors, path, atKey);
      return offset === undefined ? undefined : place(offset);
    },
  };
}

/** Levels of the syntax; `maxDepth` levels of values need fewer than twice as many. */
const maxSyntaxDepth = 80;

/** A file of 1 MiB with one short key a line has 300 000. */
const maxLexemes = 400_000;

/**
 * The tokens of the text, or why it is refused. Depth is bounded here, where the parser keeps its own stack; the composer calls
 * itself for each level, and a few thousand brackets abort the whole process in it.
 */
function readTokens(text: string, lines: LineCounter): CST.Token[] | string {
  const tokens: CST.Token[] = [];
  const parser = new Parser(lines.addNewLine);
  let lexemes = 0;
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    lexemes += 1;
    if (lexemes > maxLexemes)
      return `more than ${maxLexemes} words and signs; split what is one service per tenant or shard into several meshes`;
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > maxSyntaxDepth) return tooDeepReason;
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

/** What each alias stands for: the last node before it with that anchor. Found for all in one walk, at the first that is asked for. */
class Anchors {
  private readonly document: Document;
  private targets: Map<Alias, Node> | undefined = undefined;

  constructor(document: Document) {
    this.document = document;
  }

  targetOf(alias: Alias): Node | undefined {
    this.targets ??= this.find();
    return this.targets.get(alias);
  }

  private find(): Map<Alias, Node> {
    const byName = new Map<string, Node>();
    const targets = new Map<Alias, Node>();
    visit(this.document, {
      Value: (_key, node) => {
        if (node.anchor !== undefined) byName.set(node.anchor, node);
      },
      Alias: (_key, alias) => {
        const target = byName.get(alias.source);
        if (target !== undefined) targets.set(alias, target);
      },
    });
    return targets;
  }
}

class Conversion {
  readonly problems: FileProblem[] = [];
  private aliases = 0;
  /** False where values were given up whose paths are not all reported. */
  isComplete = true;
  private readonly anchors: Anchors;

  constructor(anchors: Anchors) {
    this.anchors = anchors;
  }

  convert(node: AnyNode, path: FilePath): PlainValue {
    if (node === null || node === undefined) return null;
    if (isAlias(node)) {
      this.aliases += 1;
      if (this.aliases > maxAliases) {
        this.isComplete = false;
        if (this.aliases === maxAliases + 1)
          this.refuse(path, `more than ${maxAliases} aliases are expanded; use \`defaults\` instead`);
        return null;
      }
      const target = this.anchors.targetOf(node);
      if (target === undefined) return this.refuse(path, `the alias *${node.source} has no anchor before it`);
      return this.convert(target, path);
    }
    if (node.tag !== undefined && !coreTags.has(node.tag)) {
      return this.refuse(
        path,
        `the tag ${shown(node.tag)} is not supported; remove it and write the value as text, number, list or mapping`,
      );
    }
    if (path.length >= maxDepth) {
      this.isComplete = false;
      return this.refuse(path, tooDeepReason);
    }
    if (isSeq(node)) return node.items.map((item, index) => this.convert(item as AnyNode, [...path, index]));
    if (isMap(node)) return this.convertMap(node.items, path);
    return isScalar(node) ? scalarValue(node.value) : null;
  }

  private convertMap(pairs: readonly Pair[], path: FilePath): PlainValue {
    const result = emptyMapping();
    for (const pair of pairs) {
      const key = keyOf(pair);
      const inner = [...path, key];
      if (key === '<<') this.problems.push({ path: inner, reason: mergeKeyReason, atKey: true });
      else if (isForbiddenKey(key)) this.problems.push({ path: inner, reason: forbiddenKeyReason, atKey: true });
      else if (Object.hasOwn(result, key)) {
        this.problems.push({ path: inner, reason: 'the key is there twice; keep one of them', atKey: true });
      } else result[key] = this.convert(pair.value as AnyNode, inner);
    }
    return result;
  }

  private refuse(path: FilePath, reason: string): null {
    this.problems.push({ path, reason });
    return null;
  }
}

const mergeKeyReason =
  'merge keys are not supported (YAML 1.2 has none); use an alias for the whole value, or `defaults` for what services share';

const coreTags = new Set(['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`)).add(
  '!',
);

function scalarValue(value: unknown): PlainValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

function keyOf(pair: Pair): string {
  const { key } = pair;
  // `stringKeys` made every other key a mistake of the syntax.
  return isScalar<string>(key) ? key.value : '';
}

/** Offset of the value at `path`, of its key, or of the nearest enclosing value that is in the text. */
function offsetOf(document: Document, anchors: Anchors, path: FilePath, atKey: boolean): number | undefined {
  let node: AnyNode = document.contents;
  let offset = node?.range?.[0];
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = anchors.targetOf(node);
    if (isSeq(node) && typeof step === 'number') node = node.items[step] as AnyNode;
    else if (isMap(node)) {
      // The last one, because of two equal keys it is the second that is the mistake.
      const pair: Pair | undefined = node.items.findLast((item) => keyOf(item) === String(step));
      const keyOffset = (pair?.key as AnyNode)?.range?.[0];
      offset = keyOffset ?? offset;
      if (pair === undefined || (atKey && index === path.length - 1)) return offset;
      node = pair.value as AnyNode;
    } else return offset;
    offset = node?.range?.[0] ?? offset;
  }
  return offset;
}
