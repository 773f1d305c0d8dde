import { randomBytes } from 'node:crypto';
import { enterAct, type Actor } from '../audit/act.ts';
import type { Database } from '../db/database.ts';
import { UserError } from '../base/errors.ts';
import { type Text } from '../base/error-table.ts';
import { isCleanText } from '../http/headers.ts';
import { hashSecret, newSecret, roles } from './clients.ts';

export interface Department {
  code: string;
  title: Text;
}

/** A client as lists show it. */
export interface ClientSummary {
  client_id: string;
  department: string;
  roles: string[];
  created_at: string;
  revoked_at: string | null;
}

/** What codes of departments and purposes look like. */
export function checkCode(what: string, code: string): void {
  if (!/^[a-z][a-z0-9-]{1,62}$/.test(code))
    throw new UserError(`${what}: "${code}" must be lower-case letters, digits and hyphens, 2 to 63 of them`);
}

/** A title or the like that people read. @throws UserError when it is blank or has control characters */
export function checkText(what: string, text: string): void {
  if (text.trim() === '' || text.length > 500 || !isCleanText(text))
    throw new UserError(`${what} must be 1 to 500 characters of text`);
}

/** Adds a department. @throws UserError when it is there already */
export async function addDepartment(
  database: Database,
  actor: Actor,
  department: Department,
): Promise<{ entry: number }> {
  checkCode('department', department.code);
  const { code, title } = department;
  checkText('the English title', title.en);
  checkText('the Chinese title', title.zh);
  return database.transaction().execute(async (transaction) => {
    const added = await transaction
      .insertInto('registry.department')
      .values({ code, title_en: title.en, title_zh: title.zh })
      .onConflict((conflict) => conflict.doNothing())
      .returning('code')
      .executeTakeFirst();
    if (added === undefined) throw new UserError(`there is a department "${code}" already`);
    const details = { department: code, title: { ...title } };
    return { entry: await enterAct(transaction, actor, { operation: 'department-add', details }) };
  });
}

export async function listDepartments(database: Database): Promise<Department[]> {
  const rows = await database.selectFrom('registry.department').selectAll().orderBy('code').execute();
  return rows.map((row) => ({ code: row.code, title: { zh: row.title_zh, en: row.title_en } }));
}

/** @throws UserError when there is no such department */
export async function requireDepartment(database: Database, code: string): Promise<void> {
  const found = await database
    .selectFrom('registry.department')
    .select('code')
    .where('code', '=', code)
    .executeTakeFirst();
  if (found === undefined)
    throw new UserError(`there is no department "${code}"; add it with "department add"`);
}

/**
 * Adds a client with a new secret, which is given this once.
 *
 * @throws UserError when the department or a role is unknown, or roles don't go together
 */
export async function addClient(
  database: Database,
  actor: Actor,
  client: { department: string; roles: string[] },
): Promise<{ clientId: string; clientSecret: string }> {
  const wanted = [...new Set(client.roles)].sort();
  const unknown = wanted.filter((role) => !(roles as readonly string[]).includes(role));
  if (unknown.length > 0)
    throw new UserError(`unknown role ${unknown.join(', ')}; there are ${roles.join(', ')}`);
  if (wanted.length === 0) throw new UserError('a client needs at least one role');
  if (wanted.includes('audit') && wanted.includes('admin'))
    throw new UserError('the roles audit and admin never go to one client');
  await requireDepartment(database, client.department);

  const clientId = `${client.department}-${randomBytes(6).toString('hex')}`;
  const clientSecret = newSecret();
  await database.transaction().execute(async (transaction) => {
    await transaction
      .insertInto('registry.client')
      .values({
        id: clientId,
        department: client.department,
        roles: wanted,
        secret_hash: hashSecret(clientSecret),
        revoked_at: null,
      })
      .execute();
    await enterAct(transaction, actor, {
      operation: 'client-add',
      details: { client: clientId, department: client.department, roles: wanted },
    });
  });
  return { clientId, clientSecret };
}

/** Revokes a client for ever. @throws UserError when there is none, or it is revoked already */
export async function revokeClient(
  database: Database,
  actor: Actor,
  clientId: string,
): Promise<{ entry: number }> {
  return database.transaction().execute(async (transaction) => {
    const revoked = await transaction
      .updateTable('registry.client')
      .set({ revoked_at: new Date() })
      .where('id', '=', clientId)
      .where('revoked_at', 'is', null)
      .returning(['department'])
      .executeTakeFirst();
    if (revoked === undefined) throw new UserError(`there is no client "${clientId}" that could be revoked`);
    const details = { client: clientId, department: revoked.department };
    return {
      entry: await enterAct(transaction, actor, {
        operation: 'client-revoke',
        details,
      }),
    };
  });
}

export async function listClients(database: Database): Promise<ClientSummary[]> {
  const rows = await database
    .selectFrom('registry.client')
    .select(['id', 'department', 'roles', 'created_at', 'revoked_at'])
    .orderBy('department')
    .orderBy('created_at')
    .execute();
  return rows.map((row) => ({
    client_id: row.id,
    department: row.department,
    roles: row.roles,
    created_at: row.created_at.toISOString(),
    revoked_at: row.revoked_at?.toISOString() ?? null,
  }));
}
