import type { CommandIo } from '../command.ts';
import { percentile, share, type Seen } from './tally.ts';

/** One second of the demo. */
export interface Second {
  readonly atS: number;
  readonly seen: readonly Seen[];
  readonly lost: number;
}

/** Shows the run: a table that is drawn in place in a terminal, plain lines anywhere else. */
export interface Screen {
  /** Something happened that the reader should see. */
  note(atS: number, text: string): void;
  second(second: Second, names: readonly { readonly name: string; readonly state: string }[]): void;
}

const green = '\u001b[32m';
const red = '\u001b[31m';
const yellow = '\u001b[33m';
const dim = '\u001b[2m';
const reset = '\u001b[0m';
const maxNotes = 12;

/** Plain lines: one per note, one per second. */
export function plainScreen(io: CommandIo): Screen {
  return {
    note: (atS, text) => void io.stdout.write(`${atS.toFixed(1).padStart(5)} s  ${text}\n`),
    second({ atS, seen, lost }) {
      const latencies = seen.map(({ latencyMs }) => latencyMs);
      const canary = share(seen, ({ version }) => version === 'v2');
      io.stdout.write(
        `${atS.toFixed(1).padStart(5)} s  ${String(seen.length).padStart(4)} requests/s  lost ${lost}  p50 ${percentile(latencies, 50)} ms  p99 ${percentile(latencies, 99)} ms  v2 ${canary} %\n`,
      );
    },
  };
}

/** A live table with the latest notes below it. */
export function liveScreen(io: CommandIo): Screen {
  const notes: string[] = [];
  let drawnLines = 0;
  const draw = (lines: readonly string[]): void => {
    io.stdout.write(
      `${drawnLines > 0 ? `\u001b[${drawnLines}A` : ''}${lines.map((line) => `\u001b[2K${line}\n`).join('')}\u001b[J`,
    );
    drawnLines = lines.length;
  };
  let table: readonly string[] = [];
  return {
    note(atS, text) {
      notes.push(`${dim}${atS.toFixed(1).padStart(5)} s${reset}  ${text}`);
      if (notes.length > maxNotes) notes.shift();
      draw([...table, '', ...notes]);
    },
    second({ atS, seen, lost }, names) {
      const latencies = seen.map(({ latencyMs }) => latencyMs);
      const rows = names.map(({ name, state }) => {
        const count = seen.filter((one) => one.orders === name || one.inventory === name).length;
        const colour = state === 'running' ? green : state === 'killed' ? red : yellow;
        return `  ${name.padEnd(12)} ${colour}${state.padEnd(9)}${reset} ${String(count).padStart(4)}/s  ${'▇'.repeat(Math.round(count / 4))}`;
      });
      table = [
        `  ${atS.toFixed(0).padStart(2)} s   ${seen.length} requests/s   ${lost === 0 ? green : red}${lost} lost${reset}   p50 ${percentile(latencies, 50)} ms   p99 ${percentile(latencies, 99)} ms   v2 ${share(seen, ({ version }) => version === 'v2')} %`,
        '',
        ...rows,
      ];
      draw([...table, '', ...notes]);
    },
  };
}
