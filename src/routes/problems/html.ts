/** Text that is safe within an element and within a quoted attribute. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Prose, escaped, with what stands between backticks as code. */
export function proseToHtml(prose: string): string {
  return escapeHtml(prose).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}
