/**
 * What a spreadsheet takes for the beginning of a formula, or may drop or split a cell at before it looks for one
 * (OWASP, CSV injection), in full width too.
 */
const risky = /^(?:'|[\s\p{Z}\p{C}"`]*[=+\-@＝＋－＠﹢﹣﹦﹫−\t\r\n])/u;

/**
 * One record of a CSV file (RFC 4180). A cell that a spreadsheet could take for a formula has an apostrophe before it,
 * and so has one that begins with an apostrophe: whoever takes one leading apostrophe off has the value again.
 */
export function csvRecord(cells: readonly string[]): string {
  return `${cells.map((cell) => quoteCell(neutralise(cell))).join(',')}\r\n`;
}

function neutralise(cell: string): string {
  return risky.test(cell) ? `'${cell}` : cell;
}

function quoteCell(cell: string): string {
  return /[",;\t\r\n']/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
