/** A process that measures one micro-benchmark: what other rows taught V8 must not change its figures. */
import { serveParent } from '../child-process.ts';
import { measure, type MicroMeasurement } from './measure.ts';
import type { MicroModule } from './operation.ts';

export interface MicroQuestion {
  /** File of this folder that has the row. */
  readonly file: string;
  readonly row: string;
  readonly runMs: number;
  readonly runs: number;
}

serveParent(async ({ file, row, runMs, runs }: MicroQuestion): Promise<MicroMeasurement> => {
  const { rows } = (await import(`./${file}`)) as MicroModule;
  return measure(await rows.find(({ name }) => name === row)!.create(), runMs, runs);
});
