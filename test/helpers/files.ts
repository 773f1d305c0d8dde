/** For tests of loading: files of records, and how they are read back. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import type { Test } from 'tap';
import { loadCatalogue, type Dataset } from '../../src/catalogue/catalogue.ts';
import { residentIdCheck } from '../../src/catalogue/formats.ts';
import { loadCsv, type LoadResult } from '../../src/records/load.ts';
import type { TestDatabase } from './database.ts';
import { actor } from './keys.ts';

const catalogue = loadCatalogue();
export const citizens = catalogue.findNewest('citizens')!;
export const enterprises = catalogue.findNewest('enterprises')!;

export const header = 'id,name,sex,birth_date,region_code';

/** The n-th good id of nobody; its birth date is 1990-01-01. */
export function idOf(n: number): string {
  const first17 = `99980119900101${String(n).padStart(3, '0')}`;
  return first17 + residentIdCheck(first17);
}

/** A good row of the five columns of `header`. */
export function rowOf(n: number, more: { name?: string } = {}): string {
  return `${idOf(n)},${more.name ?? `公民${n}`},female,1990-01-01,999801`;
}

/** Loads what a file would hold; the file is there after it. */
export async function load(
  t: Test,
  test: TestDatabase,
  content: string | Buffer,
  dataset: Dataset = citizens,
): Promise<{ file: string; result: LoadResult }> {
  const file = newFile(t, content);
  return { file, result: await loadCsv(test.adminUrl, dataset, file, actor) };
}

let counter = 0;
const folders = new WeakMap<Test, string>();

export function newFile(t: Test, content: string | Buffer): string {
  const folder = folders.get(t) ?? t.testdir();
  folders.set(t, folder);
  const file = join(folder, `file-${++counter}.csv`);
  writeFileSync(file, content);
  return file;
}

export function rejectsOf(file: string): string[][] {
  return parse(readFileSync(`${file}.rejects.csv`), { relax_column_count: true });
}

/** True when the load left nothing beside its file. */
export function isAlone(file: string): boolean {
  return !existsSync(`${file}.rejects.csv`) && !existsSync(`${file}.rejects.csv.partial`);
}

/** The record of an id as the newest version shows it; null when there is none. */
export async function find(
  { pool }: TestDatabase,
  id: string,
  dataset: Dataset = citizens,
): Promise<Record<string, unknown> | null> {
  const { rows } = await pool.query<Record<string, unknown>>(
    `select * from v${dataset.version}.${dataset.name} where id = $1`,
    [id],
  );
  return rows[0] ?? null;
}

/** What a failed load must leave as it was. */
export async function state({ pool }: TestDatabase): Promise<unknown> {
  const { rows } = await pool.query(
    `select (select count(*) from store.citizens) as citizens, (select count(*) from store.enterprises) as enterprises,
       (select count(*) from audit.entry) as entries`,
  );
  return rows[0];
}
