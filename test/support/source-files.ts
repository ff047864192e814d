/**
 * Source files as the architecture test sees them: who imports whom, and the code without its comments and texts. Read from the text
 * alone, since the sources are formatted by one tool and keep to one form of import.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

export interface Import {
  /** As written: `./x.ts`, `node:net`, `undici`. */
  readonly specifier: string;
  /** Path of the file from `src/`, for those of our own; undefined for packages and Node. */
  readonly file: string | undefined;
  /** Only types: gone when the program runs. */
  readonly isType: boolean;
  /** `import()`: loaded when it is reached. */
  readonly isDynamic: boolean;
}

export interface SourceFile {
  /** From `src/`, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Without comments; texts are empty. */
  readonly code: string;
  readonly lines: number;
  readonly imports: readonly Import[];
}

/** Every file below a directory, with its imports. */
export function readSourceFiles(directory: URL): readonly SourceFile[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => posix.join(entry.parentPath, entry.name).slice(directory.pathname.length))
    .toSorted()
    .map((path) => {
      const text = readFileSync(new URL(path, directory), 'utf8');
      return sourceFile(path, text);
    });
}

/** One file from its text. */
export function sourceFile(path: string, text: string): SourceFile {
  const withoutComments = strip(text, 'comments');
  return {
    path,
    text,
    code: strip(text, 'comments and texts'),
    lines: text.split('\n').length - 1,
    imports: importsOf(path, withoutComments),
  };
}

function importsOf(path: string, text: string): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: string, isType: boolean, isDynamic: boolean): void => {
    const file = specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : undefined;
    found.push({ specifier, file, isType, isDynamic });
  };
  for (const [, kind, specifier] of text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[\w*{][^;'"]*?\sfrom\s+)'([^']+)'/gm)) {
    add(specifier!, kind !== undefined, false);
  }
  for (const [, specifier] of text.matchAll(/^import\s+'([^']+)'/gm)) add(specifier!, false, false);
  for (const [whole, specifier] of text.matchAll(/(?:\btypeof\s+)?\bimport\(\s*'([^']+)'\s*\)/g)) {
    const isType = whole.startsWith('typeof') || /^\.[A-Z]/.test(text.slice(text.indexOf(whole) + whole.length));
    add(specifier!, isType, true);
  }
  return found;
}

/** The text without comments and, if asked, with empty texts and patterns. Template texts keep the code inside `${…}`. */
export function strip(text: string, what: 'comments' | 'comments and texts'): string {
  const keepTexts = what === 'comments';
  let out = '';
  let at = 0;
  const templates: number[] = []; // depth of braces at which each open template goes on
  let depth = 0;

  const take = (end: number, keep: boolean): void => {
    if (keep) out += text.slice(at, end);
    at = end;
  };
  const template = (): void => {
    let end = at;
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end)) end += text[end] === '\\' ? 2 : 1;
    take(end, keepTexts);
    if (text[end] === '`') take(end + 1, true);
    else {
      templates.push(depth++);
      take(end + 2, true);
    }
  };

  while (at < text.length) {
    const char = text[at]!;
    if (text.startsWith('//', at)) take(endOf('\n', at), false);
    else if (text.startsWith('/*', at)) take(endOf('*/', at) + 2, false);
    else if (char === "'" || char === '"') {
      let end = at + 1;
      while (end < text.length && text[end] !== char) end += text[end] === '\\' ? 2 : 1;
      take(at + 1, true);
      take(end, keepTexts);
      take(end + 1, true);
    } else if (char === '`') {
      take(at + 1, true);
      template();
    } else if (char === '/' && /(^|[(,=:[!&|?{};>]|\breturn)\s*$/.test(out.slice(-40))) {
      let end = at + 1;
      for (let inClass = false; end < text.length && (inClass || text[end] !== '/'); end++) {
        if (text[end] === '\\') end++;
        else if (text[end] === '[') inClass = true;
        else if (text[end] === ']') inClass = false;
      }
      take(at + 1, true);
      take(end, keepTexts);
      take(end + 1, true);
    } else {
      if (char === '{') depth++;
      if (char === '}') depth--;
      take(at + 1, true);
      if (char === '}' && templates.at(-1) === depth) {
        templates.pop();
        template();
      }
    }
  }
  return out;

  function endOf(mark: string, from: number): number {
    const end = text.indexOf(mark, from);
    return end === -1 ? text.length : end;
  }
}

/** Groups of files that import each other in a circle when the program runs. */
export function importCycles(files: readonly SourceFile[]): readonly (readonly string[])[] {
  const runTime = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.filter(({ file, isType, isDynamic }) => file !== undefined && !isType && !isDynamic).map(({ file }) => file!),
    ]),
  );
  // Tarjan's strongly connected components.
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const visit = (path: string): void => {
    order.set(path, order.size);
    low.set(path, order.get(path)!);
    stack.push(path);
    for (const next of runTime.get(path) ?? []) {
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) low.set(path, Math.min(low.get(path)!, low.get(next)!));
    }
    if (low.get(path) !== order.get(path)) return;
    const group = stack.splice(stack.indexOf(path));
    if (group.length > 1 || (runTime.get(path) ?? []).includes(path)) cycles.push(group.toSorted());
  };
  for (const { path } of files) if (!order.has(path)) visit(path);
  return cycles;
}

/** Everything that is loaded with a file: other files of ours, and packages with the chain of files that leads to each. */
export function loadedWith(files: readonly SourceFile[], start: string): ReadonlyMap<string, readonly string[]> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const chains = new Map<string, readonly string[]>([[start, [start]]]);
  const queue = [start];
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    for (const { file, specifier, isType, isDynamic } of byPath.get(path)?.imports ?? []) {
      const name = file ?? specifier;
      if (isType || isDynamic || chains.has(name)) continue;
      chains.set(name, [...chains.get(path)!, name]);
      if (file !== undefined) queue.push(file);
    }
  }
  return chains;
}
