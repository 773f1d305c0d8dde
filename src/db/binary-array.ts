const byteaOid = 17;
const headerBytes = 20;

/**
 * A `bytea[]` in PostgreSQL's binary form (array_send in its arrayfuncs.c), which the server takes
 * without parsing. As a Buffer it is sent as a binary parameter; the statement must give the parameter its type.
 */
export function byteaArray(elements: readonly Uint8Array[]): Buffer {
  const sizeBytes = elements.reduce((sum, element) => sum + 4 + element.length, headerBytes);
  const array = Buffer.allocUnsafe(sizeBytes);
  const dimensions = elements.length === 0 ? 0 : 1;
  array.writeInt32BE(dimensions, 0);
  array.writeInt32BE(0, 4); // no element is null
  array.writeInt32BE(byteaOid, 8);
  if (dimensions === 0) return array.subarray(0, 12);
  array.writeInt32BE(elements.length, 12);
  array.writeInt32BE(1, 16); // the first subscript
  let at = headerBytes;
  for (const element of elements) {
    at = array.writeInt32BE(element.length, at);
    array.set(element, at);
    at += element.length;
  }
  return array;
}
