import { setTimeout as wait } from 'node:timers/promises';

/** Waits until a number above 0 has not changed for so long that whatever was on its way has arrived; gives it. */
export async function standsStill(read: () => number): Promise<number> {
  for (let [last, same] = [-1, 0]; ;) {
    await wait(10);
    const now = read();
    if (now === last) same++;
    else [last, same] = [now, 0];
    if (same === 8 && now > 0) return now;
  }
}
