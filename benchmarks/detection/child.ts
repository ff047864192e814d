/** A process that works on parts of the evaluation. */
import { serveParent } from '../child-process.ts';
import { runPart, type PartQuestion } from './parts.ts';

serveParent((question: PartQuestion) => runPart(question));
