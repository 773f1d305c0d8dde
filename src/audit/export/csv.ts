import { spreadsheetCell } from '../../base/spreadsheet-cell.ts';

/** One record of a CSV file (RFC 4180), whose cells no spreadsheet takes for formulas. */
export function csvRecord(cells: readonly string[]): string {
  return `${cells.map((cell) => quoteCell(spreadsheetCell(cell))).join(',')}\r\n`;
}

function quoteCell(cell: string): string {
  return /[",;\t\r\n']/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
