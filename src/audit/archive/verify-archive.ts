import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../base/errors.ts';
import {
  listName,
  manifestName,
  parseManifest,
  sha256,
  type ArchiveManifest,
  type EntryRange,
} from './manifest.ts';
import { expectValid } from '../expect-valid.ts';
import { openCheckpoint, type Checkpoint } from '../../transparency/checkpoint.ts';
import { growTree } from '../../transparency/expected-checkpoints.ts';
import {
  equalHashes,
  hashBytes,
  hashLeafInPlace,
  verifyInclusion,
  type Hash,
} from '../../transparency/merkle.ts';
import { decodeBase64, type Verifier } from '../../transparency/note.ts';
import { trustSuccessions } from '../../transparency/succession.ts';
import { LogFormatError, parseNotes, splitBundle, successionsPath } from '../../transparency/tiles-source.ts';
import { tilePath, tileRoot, tileWidth } from '../../transparency/tiles.ts';

/** An archive that was read and is as it was written. */
export interface VerifiedArchive {
  manifest: ArchiveManifest;
  /** SHA-256 of `archive.json`, which covers all of it. */
  digest: Buffer;
  checkpoint: Checkpoint;
}

/**
 * Reads all of an archive, and checks it with nothing but the log's verifier keys: every file against its digest, every
 * entry against the hashes, and these against a checkpoint that one of the keys, or of their successors, has signed.
 *
 * @throws UserError that says what is not as it was written
 */
export async function verifyArchive(
  folder: string,
  keys: readonly Verifier[],
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<VerifiedArchive> {
  const wrong = (what: string): UserError => new UserError(`${folder} is not as it was written: ${what}`);
  const read = async (path: string): Promise<Buffer> =>
    readFile(join(folder, path)).catch((error: NodeJS.ErrnoException) => {
      throw wrong(`${path} can't be read (${error.code})`);
    });

  const text = await read(manifestName);
  const manifest = parseManifest(text.toString());
  if (manifest === null) throw wrong(`${manifestName} is no manifest of an archive`);
  const { first, last } = manifest;
  const list = await read(listName);
  if (sha256(list).toString('hex') !== manifest.sha256)
    throw wrong(`${listName} has another SHA-256 than ${manifestName} says`);
  const digests = new Map(
    list
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => [line.slice(66), line.slice(0, 64)]),
  );
  const readChecked = async (path: string): Promise<Buffer> => {
    const content = await read(path);
    if (sha256(content).toString('hex') !== digests.get(path)) throw wrong(`${path} was altered`);
    digests.delete(path);
    return content;
  };

  const note = (await readChecked('checkpoint')).toString();
  if (note !== manifest.checkpoint) throw wrong(`${manifestName} has another checkpoint than the file`);
  const tree = growTree();
  for (let n = first / tileWidth; n * tileWidth <= last; n++) {
    const [bundle, kept] = [tilePath('entries', n, tileWidth), await readChecked(tilePath(0, n, tileWidth))];
    const hashes = hashBundle(bundle, await readChecked(bundle), wrong);
    if (!equalHashes(hashes, kept)) throw wrong(`${bundle} does not have the entries of its hashes`);
    tree.push(tileRoot(hashes), tileWidth);
    onProgress(tree.size(), last - first + 1);
  }
  const successions = digests.has(successionsPath)
    ? parseNotes(successionsPath, await readChecked(successionsPath))
    : [];
  for (const path of digests.keys()) throw wrong(`${listName} names ${path}, which is no part of an archive`);
  const checkpoint = expectValid(`the checkpoint of ${folder}`, () =>
    openCheckpoint(note, trustSuccessions(keys, successions)),
  );
  if (!coversRange(checkpoint, { first, next: last + 1, root: tree.root() }, manifest.proof))
    throw wrong(`the checkpoint of ${checkpoint.size} entries does not cover these`);
  return { manifest, digest: sha256(text), checkpoint };
}

/**
 * Whether a checkpoint covers entries with this root. A range as an archive has it is a node of the log's tree: it is
 * proven as a leaf of a tree of such ranges.
 */
export function coversRange(
  { size, root }: { size: number; root: Hash },
  range: EntryRange & { root: Hash },
  proof: readonly string[],
): boolean {
  const span = range.next - range.first;
  const hashes = proof.map((line) => decodeBase64(line) ?? new Uint8Array(0));
  const leaf = { index: range.first / span, hash: range.root };
  return range.next <= size && verifyInclusion(hashes, leaf, { size: Math.ceil(size / span), root });
}

function hashBundle(path: string, bundle: Buffer, wrong: (what: string) => UserError): Uint8Array {
  const hashes = new Uint8Array(tileWidth * hashBytes);
  const leaves = splitOrNull(path, bundle);
  if (leaves?.length !== tileWidth) throw wrong(`${path} does not hold ${tileWidth} entries`);
  for (const [i, leaf] of leaves.entries()) hashLeafInPlace(leaf, hashes, i * hashBytes);
  return hashes;
}

function splitOrNull(path: string, bundle: Buffer): Uint8Array[] | null {
  try {
    return splitBundle(path, bundle);
  } catch (error) {
    if (error instanceof LogFormatError) return null;
    throw error;
  }
}
