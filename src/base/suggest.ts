import { closest, distance } from 'fastest-levenshtein';
import type { Text } from './error-table.ts';

/** How many letters may differ for a name to be suggested. */
const maxDistance = 2;

/** Names what was probably meant, when something known is close to it. */
export function suggest(name: string, known: Iterable<string>): Text {
  const names = [...known];
  if (names.length === 0) return { en: '', zh: '' };
  const nearest = closest(name, names);
  if (distance(name, nearest) > maxDistance) return { en: '', zh: '' };
  return { en: ` Did you mean ${nearest}?`, zh: `是否想写 ${nearest}？` };
}
