import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { startChild } from '../child-process.ts';
import type { PartAnswer, PartQuestion } from './parts.ts';

/** More would take the machine from whoever else is on it. */
const maxProcesses = 2;

/** Works on all parts, in processes; answers are in the order of the questions. */
export async function workOn(questions: readonly PartQuestion[], onPart: (done: number) => void): Promise<readonly PartAnswer[]> {
  const answers = Array.from<PartAnswer>({ length: questions.length });
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    const child = startChild({ file: join(import.meta.dirname, 'child.ts'), args: [] });
    try {
      for (let index = next++; index < questions.length; index = next++) {
        answers[index] = await child.ask<PartAnswer>(questions[index]);
        onPart(++done);
      }
    } finally {
      await child.stop();
    }
  };
  const processes = Math.min(maxProcesses, availableParallelism(), questions.length);
  await Promise.all(Array.from({ length: processes }, work));
  return answers;
}
