/** Which characters of a value stay readable; the others become one star each, or three when none stays. */
export interface Mask {
  keep_start: number;
  keep_end: number;
}

/** Masks a value. A value too short to hide anything behind its kept ends is hidden whole. */
export function applyMask(mask: Mask, value: string): string {
  // Where every character is one code unit, the text is its own list of characters.
  const characters = surrogate.test(value) ? Array.from(value) : value;
  const hidden = characters.length - mask.keep_start - mask.keep_end;
  if (hidden <= 0 || mask.keep_start + mask.keep_end === 0) return '***';
  const start = textOf(characters.slice(0, mask.keep_start));
  const end = textOf(characters.slice(characters.length - mask.keep_end));
  return start + '*'.repeat(hidden) + (mask.keep_end === 0 ? '' : end);
}

const surrogate = /[\ud800-\udfff]/;

function textOf(characters: string | string[]): string {
  return typeof characters === 'string' ? characters : characters.join('');
}
