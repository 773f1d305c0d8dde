import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { addClient, revokeClient } from '../../../src/identity/departments-and-clients.ts';
import { checkAuditLog } from '../../helpers/check-audit-log.ts';
import { tokenFrom } from '../../helpers/clients.ts';
import { startGateway } from '../../helpers/gateway.ts';
import { actor } from '../../helpers/keys.ts';
import { indicesOf, linesOf } from '../../helpers/exporting.ts';
import { fillTo } from '../../helpers/log.ts';
import { until } from '../../helpers/until.ts';

const test = await startGateway(t);
const entries = 24_000;
await fillTo(test, entries);
await until('the search tables and a checkpoint have all', async () => {
  const { rows } = await test.pool.query<{ indexed: number; size: number }>(
    'select audit.indexed() as indexed, (select max(size) from audit.checkpoint) as size',
  );
  return rows[0]!.indexed >= entries && rows[0]!.size >= entries;
});
const client = await addClient(test.database, actor, { department: 'audit-office', roles: ['audit'] });
await test.gateway.exchanges.authority.refresh();
const token = await tokenFrom(test.app, client);
const url = await test.app.listen({ port: 0, host: '127.0.0.1' });

/** How often the database was asked for a page, or for hashes. */
let reads = 0;
test.gateway.searchPool.on('acquire', () => reads++);

/** An export of everything, whose body nobody reads yet. */
async function startExport(): Promise<IncomingMessage> {
  const asked = request(`${url}/v1/audit/export`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      'exchange-official': 'auditor-7',
    },
  });
  asked.end(JSON.stringify({ format: 'ndjson' }));
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return response.setEncoding('utf8');
}

/** Waits until the database is no longer read; says how often it was. */
async function untilQuiet(): Promise<number> {
  for (let before = -1; before !== reads; await sleep(400)) before = reads;
  return reads;
}

async function readAll(response: IncomingMessage): Promise<{ text: string; error: Error | null }> {
  let text = '';
  try {
    for await (const chunk of response as AsyncIterable<string>) text += chunk;
    return { text, error: null };
  } catch (error) {
    return { text, error: error as Error };
  }
}

await t.test('does not run ahead of a client that reads slowly', async (t) => {
  const begun = reads;
  const response = await startExport();
  const ahead = (await untilQuiet()) - begun;
  const { text, error } = await readAll(response);
  t.equal(error, null);
  const all = reads - begun;
  t.ok(ahead > 0 && ahead < all / 2, `${ahead} of ${all} reads before anybody took what was sent`);
  const lines = linesOf(text);
  t.ok(indicesOf(lines).length >= entries);
  t.equal(lines.at(-1)!.next, null);
});

await t.test('leaves the database alone once the client has gone', async (t) => {
  const response = await startExport();
  await untilQuiet();
  response.destroy();
  await sleep(300);
  const before = reads;
  await sleep(800);
  t.equal(reads, before);
  const { rows } = await test.pool.query<{ busy: number }>(
    `select count(*) as busy from pg_stat_activity
     where datname = current_database() and application_name = 'onevisit search' and state <> 'idle'`,
  );
  t.equal(rows[0]!.busy, 0);
});

await t.test(
  'breaks the connection at an entry that was altered, and looks at no time complete',
  async (t) => {
    const alter = async (to: string): Promise<void> => {
      await test.pool.query('alter table audit.entry_0000 disable trigger all');
      await test.pool.query(`update audit.entry_0000 set bytes = ${to} where index = 5000`);
      await test.pool.query('alter table audit.entry_0000 enable always trigger append_only');
      await test.pool.query('alter table audit.entry_0000 enable always trigger no_truncate');
    };
    await alter(`bytes || ' '::bytea`);
    const { text, error } = await readAll(await startExport());
    await alter('substr(bytes, 1, length(bytes) - 1)');
    t.match(error, { code: 'ECONNRESET' });
    t.notMatch(text, /"next":null/);
    const received = indicesOf(linesOf(text.slice(0, text.lastIndexOf('\n') + 1)));
    t.ok(received.at(-1)! > 5000, 'what came before it was received');
  },
);

await t.test('ends with its client', async (t) => {
  const response = await startExport();
  await untilQuiet();
  await revokeClient(test.database, actor, client.clientId);
  await test.gateway.exchanges.authority.refresh();
  const { text, error } = await readAll(response);
  t.match(error, { code: 'ECONNRESET' });
  t.notMatch(text, /"next":null/);
});

await t.test('the log is whole', async (t) => {
  await checkAuditLog(t, test);
});
