import { hashBytes, type Hash } from '../../transparency/merkle.ts';
import { decodeBase64 } from '../../transparency/note.ts';

/** Neighbours share most hashes of their proofs: each is read once. */
const hashesRead = new Map<string, Hash>();
const maxHashesRead = 4096;

/** Reads a hash in base64; null where it is none. Takes attacker-controlled input. */
export function readHash(text: unknown): Hash | null {
  if (typeof text !== 'string') return null;
  const known = hashesRead.get(text);
  if (known !== undefined) return known;
  const bytes = decodeBase64(text);
  if (bytes?.length !== hashBytes) return null;
  if (hashesRead.size >= maxHashesRead) hashesRead.clear();
  hashesRead.set(text, bytes);
  return bytes;
}
