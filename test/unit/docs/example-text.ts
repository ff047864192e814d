import { readText } from './markdown.ts';

/**
 * The text of an example, or of one region of it: what stands between `//#region NAME` and `//#endregion`, moved to the left margin.
 * Lines that name regions are never shown.
 */
export function exampleText(path: string, region?: string): string {
  const lines = readText(path).trimEnd().split('\n');
  if (region === undefined) return `${lines.filter((line) => !isMarker(line)).join('\n')}\n`;
  const start = lines.findIndex((line) => line.trim() === `//#region ${region}`);
  if (start === -1) throw new Error(`${path} has no region "${region}"`);
  const length = lines.slice(start + 1).findIndex((line) => line.trim() === '//#endregion');
  const body = lines.slice(start + 1, start + 1 + length);
  const indent = Math.min(...body.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)));
  return `${body.map((line) => line.slice(indent)).join('\n')}\n`;
}

function isMarker(line: string): boolean {
  return /^\s*\/\/#(?:region|endregion)\b/.test(line);
}
