import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorTable, type ErrorCode } from '../../base/error-table.ts';
import { parseGuide, type Guide } from './guide.ts';

const guidesFolder = fileURLToPath(new URL('guides', import.meta.url));

/**
 * Reads what the page of every code says: a file for each, `<code>.md`.
 *
 * @throws Error naming the file that is missing, has no code, or is not a guide
 */
export function readGuides(folder = guidesFolder): Readonly<Record<ErrorCode, Guide>> {
  const codes = Object.keys(errorTable);
  const strangers = readdirSync(folder).filter((name) => !codes.some((code) => name === `${code}.md`));
  if (strangers.length > 0) throw new Error(`${folder} has files of no error: ${strangers.join(', ')}`);
  const guides = codes.map((code) => [code, readGuide(join(folder, `${code}.md`))]);
  return Object.fromEntries(guides) as Record<ErrorCode, Guide>;
}

function readGuide(file: string): Guide {
  try {
    return parseGuide(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Error(`${file} can not be used: ${(cause as Error).message}`, { cause });
  }
}
