/** Quotes an identifier for SQL. Names come from the catalogue alone, never from a request. */
export function quoteIdentifier(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
