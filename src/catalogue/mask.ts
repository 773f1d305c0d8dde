/** Which characters of a value stay readable; the others become one star each, or three when none stays. */
export interface Mask {
  keep_start: number;
  keep_end: number;
}

/** Masks a value. A value too short to hide anything behind its kept ends is hidden whole. */
export function applyMask(mask: Mask, value: string): string {
  const characters = Array.from(value);
  const hidden = characters.length - mask.keep_start - mask.keep_end;
  if (hidden <= 0 || mask.keep_start + mask.keep_end === 0) return '***';
  const start = characters.slice(0, mask.keep_start).join('');
  const end = characters.slice(characters.length - mask.keep_end).join('');
  return start + '*'.repeat(hidden) + (mask.keep_end === 0 ? '' : end);
}
