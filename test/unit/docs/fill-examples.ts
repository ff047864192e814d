/**
 * Writes the blocks of the documentation that are cut from docs/examples anew, and the tables that are made from the code.
 *
 *     node --conditions=meshfetch-source test/unit/docs/fill-examples.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exampleText } from './example-text.ts';
import { pagePaths, root } from './markdown.ts';
import { fileOf } from './run-page.ts';

/** A page with every block below a `<!-- docs/examples/… -->` replaced by what it is cut from. */
export function withExamples(markdown: string): string {
  return markdown.replaceAll(/^<!-- (docs\/examples\/.+) -->\n```([a-z]*)\n(?:[\s\S]*?\n)??```$/gm, (block, note: string, language: string) => {
    const file = fileOf({ note, language, text: '', line: 0 });
    return file === undefined ? block : `<!-- ${note} -->\n\`\`\`${language}\n${exampleText(file.path, file.region)}\`\`\``;
  });
}

if (import.meta.main) {
  for (const path of pagePaths()) {
    const before = readFileSync(join(root, path), 'utf8');
    const filled = withExamples(before);
    if (filled === before) continue;
    writeFileSync(join(root, path), filled);
    console.log(`wrote ${path}`);
  }
}
