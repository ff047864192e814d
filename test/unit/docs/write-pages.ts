/**
 * Writes what the documentation takes from elsewhere: the blocks that are cut from docs/examples, and between
 * `<!-- generated: NAME -->` and `<!-- end -->` the tables that are made from the code.
 *
 *     node --conditions=meshfetch-source test/unit/docs/write-pages.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exampleText } from './example-text.ts';
import { generatedText } from './generated-text.ts';
import { pagePaths, readText, root } from './markdown.ts';
import { fileOf } from './run-page.ts';

const example = /^<!-- (docs\/examples\/.+) -->\n```([a-z]*)\n(?:[\s\S]*?\n)??```$/gm;
const generated = /^<!-- generated: ([\w-]+) -->\n[\s\S]*?^<!-- end -->$/gm;

/** A page as it should be. Rejects for an example or a table that does not exist. */
export async function writtenPage(markdown: string): Promise<string> {
  const withExamples = markdown.replaceAll(example, (block, note: string, language: string) => {
    const file = fileOf({ note, language, text: '', line: 0 });
    return file === undefined ? block : `<!-- ${note} -->\n\`\`\`${language}\n${exampleText(file.path, file.region)}\`\`\``;
  });
  const texts = new Map<string, string>();
  for (const [, name = ''] of withExamples.matchAll(generated)) texts.set(name, await generatedText(name));
  return withExamples.replaceAll(
    generated,
    (_block, name: string) => `<!-- generated: ${name} -->\n${texts.get(name)!.trimEnd()}\n<!-- end -->`,
  );
}

if (import.meta.main) {
  for (const path of pagePaths()) {
    const before = readText(path);
    const written = await writtenPage(before);
    if (written === before) continue;
    writeFileSync(join(root, path), written);
    console.log(`wrote ${path}`);
  }
}
