/**
 * Canonical JSON (RFC 8785) of objects, arrays, strings, booleans and integers; undefined members are left out.
 *
 * @throws TypeError on any other value, and on strings with lone surrogates or U+0000
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') {
    if (!value.isWellFormed() || value.includes('\0'))
      throw new TypeError('entries take no lone surrogates and no U+0000: PostgreSQL could not read them');
    return JSON.stringify(value);
  }
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (isPlainObject(value)) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    members.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member)}`).join(',')}}`;
  }
  throw new TypeError(`canonical JSON takes no ${value === null ? 'null' : typeof value}`);
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
