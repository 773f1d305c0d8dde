import { setImmediate as nextTurn } from 'node:timers/promises';

/** How many subjects are worked on before others get their turn on the event loop. */
export const sliceSize = 200;

/** Works on a long list in slices, and lets the event loop go between them. */
export async function inSlices<T>(
  items: readonly T[],
  work: (slice: readonly T[]) => void | Promise<void>,
): Promise<void> {
  for (let i = 0; i < items.length; i += sliceSize) {
    if (i > 0) await nextTurn();
    await work(items.slice(i, i + sliceSize));
  }
}
