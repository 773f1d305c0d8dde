/** Quotes an identifier for SQL. Names come from the catalogue alone, never from a request. */
export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
