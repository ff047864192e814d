import type { Subject } from '../behaviour.ts';
import { balancing } from './balancing.ts';
import { bodies } from './bodies.ts';
import { identity } from './identity.ts';
import { protection } from './protection.ts';
import { retries } from './retries.ts';
import { routing } from './routing.ts';
import { telemetry } from './telemetry.ts';
import { time } from './time.ts';

/** The table. */
export const subjects: readonly Subject[] = [routing, balancing, retries, time, protection, identity, bodies, telemetry];
