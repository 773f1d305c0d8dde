/** For tests that wait for something: asks until it is so, and no longer than a test may take. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until the answer is yes. @throws when it is not within the time */
export async function until(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  withinMs = 30_000,
): Promise<void> {
  const deadlineMs = Date.now() + withinMs;
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain: ${what}`);
    await sleep(20);
  }
}
