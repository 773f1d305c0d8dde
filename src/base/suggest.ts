import { closest, distance } from 'fastest-levenshtein';
import type { Text } from './error-table.ts';

/** How many letters may differ for a name to be taken for another. */
const maxDistance = 2;

/** The known name that was probably meant; null when none is close. */
export function findNearest(name: string, known: Iterable<string>): string | null {
  const names = [...known];
  if (names.length === 0) return null;
  const nearest = closest(name, names);
  return distance(name, nearest) > maxDistance ? null : nearest;
}

/** Names what was probably meant, when something known is close to it. */
export function suggest(name: string, known: Iterable<string>): Text {
  const nearest = findNearest(name, known);
  if (nearest === null) return { en: '', zh: '' };
  return { en: ` Did you mean ${nearest}?`, zh: `是否想写 ${nearest}？` };
}
