/** For tests of programs that use meshfetch: virtual time and seeded chance. */
export { createVirtualClock } from './virtual-clock.ts';
export { seededRandom } from '../base/runtime.ts';
export type { Clock, Random, Timer } from '../base/runtime.ts';
