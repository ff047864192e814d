import type { Subject } from '../behaviour.ts';
import { balancing } from './balancing.ts';
import { retries } from './retries.ts';
import { routing } from './routing.ts';
import { time } from './time.ts';

/** The table. */
export const subjects: readonly Subject[] = [routing, balancing, retries, time];
