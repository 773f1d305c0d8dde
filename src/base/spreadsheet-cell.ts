/**
 * What a spreadsheet takes for the beginning of a formula, or may drop or split a cell at before it looks for one
 * (OWASP, CSV injection), in full width too.
 */
const risky = /^(?:'|[\s\p{Z}\p{C}"`]*[=+\-@＝＋－＠﹢﹣﹦﹫−\t\r\n])/u;

/**
 * A cell that no spreadsheet takes for a formula: one that could be has an apostrophe before it, and so has one that
 * begins with an apostrophe. Whoever takes one leading apostrophe off has the value again.
 */
export function spreadsheetCell(cell: string): string {
  return risky.test(cell) ? `'${cell}` : cell;
}
