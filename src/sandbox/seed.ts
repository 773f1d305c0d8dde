import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { commandLineActor, type Actor } from '../audit/act.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { openDatabase, type Database } from '../db/database.ts';
import { addGrant } from '../grants/administer-grants.ts';
import { addPurpose } from '../grants/purposes.ts';
import { addClient, addDepartment } from '../identity/departments-and-clients.ts';
import { loadCsv } from '../records/load.ts';
import { findSandboxFile, writeSandboxFile, type SandboxClient } from './file.ts';
import { generateCsv } from './generate.ts';
import type { Province } from './province.ts';
import { personas } from './personas.ts';
import { sandboxDepartments, sandboxGrants, sandboxPurposes } from './registry.ts';

const dayMs = 24 * 60 * 60 * 1000;
const seededKey = 'sandbox';
const newcomersProvince = { seed: 1, citizens: 10_000, enterprises: 2000 };

/**
 * Fills an embedded database with the sandbox, and writes `sandbox.json`. What is there already stays; a start
 * that was cut short is taken up by the next one.
 *
 * @param say hears what is being done
 */
export async function seedSandbox(options: {
  home: string;
  adminUrl: string;
  baseUrl: string;
  catalogue: Catalogue;
  say: (what: string) => void;
}): Promise<void> {
  const { home, adminUrl, baseUrl, catalogue, say } = options;
  const { database, close } = openDatabase(adminUrl, 'onevisit sandbox', { maxConnections: 2 });
  const actor = commandLineActor();
  try {
    if (!(await isSeeded(database))) {
      await fillSandbox({ home, adminUrl, catalogue, province: newcomersProvince, say });
      await database.insertInto('registry.setting').values({ key: seededKey, value: 'filled' }).execute();
    }
    const clients = await addMissingClients(database, actor, findSandboxFile(home)?.clients ?? []);
    writeSandboxFile(home, { base_url: baseUrl, clients, personas });
  } finally {
    await close();
  }
}

/** Puts the sandbox's departments, purposes, grants and a province into a database. */
export async function fillSandbox(options: {
  home: string;
  adminUrl: string;
  catalogue: Catalogue;
  province: Province;
  say: (what: string) => void;
}): Promise<void> {
  const { home, adminUrl, catalogue, province, say } = options;
  const { database, close } = openDatabase(adminUrl, 'onevisit sandbox', { maxConnections: 2 });
  try {
    say('Filling the sandbox: departments, purposes, grants');
    await addRegistry(database, catalogue, commandLineActor());
    const { citizens, enterprises } = province;
    say(
      `Filling the sandbox: ${citizens.toLocaleString('en')} citizens, ${enterprises.toLocaleString('en')} enterprises`,
    );
    await loadProvince(province, { home, adminUrl, catalogue });
  } finally {
    await close();
  }
}

async function isSeeded(database: Database): Promise<boolean> {
  const query = database.selectFrom('registry.setting').select('value').where('key', '=', seededKey);
  return (await query.executeTakeFirst()) !== undefined;
}

/** Each part is added when it is missing, so that a second try does not stumble over the first. */
async function addRegistry(database: Database, catalogue: Catalogue, actor: Actor): Promise<void> {
  const departments = await codesOf(database, 'registry.department');
  for (const department of sandboxDepartments)
    if (!departments.has(department.code)) await addDepartment(database, actor, department);
  const purposes = await codesOf(database, 'registry.purpose');
  for (const purpose of sandboxPurposes)
    if (!purposes.has(purpose.code)) await addPurpose(database, actor, purpose);
  const grants = await database.selectFrom('registry.grant').select(['consumer', 'dataset']).execute();
  for (const { validDays, ...terms } of sandboxGrants) {
    if (grants.some((grant) => grant.consumer === terms.consumer && grant.dataset === terms.dataset))
      continue;
    const [from, until] = validDays.map((days) => new Date(Date.now() + days * dayMs)) as [Date, Date];
    await addGrant(database, catalogue, actor, { ...terms, validFrom: from, validUntil: until });
  }
}

async function codesOf(
  database: Database,
  name: 'registry.department' | 'registry.purpose',
): Promise<Set<string>> {
  const rows = await database.selectFrom(name).select('code').execute();
  return new Set(rows.map((row) => row.code));
}

/** By the same two steps that anyone can take: `sandbox generate`, then `load`. */
async function loadProvince(
  province: Province,
  { home, adminUrl, catalogue }: { home: string; adminUrl: string; catalogue: Catalogue },
): Promise<void> {
  const folder = await mkdtemp(join(home, 'province-'));
  try {
    const { files } = await generateCsv(province, folder);
    for (const { dataset: name, path } of files) {
      const dataset = catalogue.findNewest(name);
      if (dataset !== null) await loadCsv(adminUrl, dataset, path, commandLineActor());
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** One client a department; secrets are stored hashed, so a client whose secret is lost gets a successor. */
async function addMissingClients(
  database: Database,
  actor: Actor,
  kept: readonly SandboxClient[],
): Promise<SandboxClient[]> {
  const rows = await database
    .selectFrom('registry.client')
    .select('id')
    .where('revoked_at', 'is', null)
    .execute();
  const live = new Set(rows.map((row) => row.id));
  const clients: SandboxClient[] = [];
  for (const { code: department, roles } of sandboxDepartments) {
    const known = kept.find((client) => client.department === department && live.has(client.client_id));
    if (known !== undefined) {
      clients.push(known);
      continue;
    }
    const { clientId, clientSecret } = await addClient(database, actor, { department, roles });
    clients.push({ department, roles, client_id: clientId, client_secret: clientSecret });
  }
  return clients;
}
