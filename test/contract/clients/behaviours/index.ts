import type { Subject } from '../behaviour.ts';
import { routing } from './routing.ts';

/** The table. */
export const subjects: readonly Subject[] = [routing];
