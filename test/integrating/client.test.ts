import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { personas } from '../../src/sandbox/personas.ts';
import { newFolder } from '../helpers/folder.ts';
import type { Document } from '../helpers/openapi-document.ts';
import { checkAuditLog, startGateway } from '../helpers/gateway.ts';
import { basic, newClient } from '../helpers/clients.ts';
import { listDataOperations, writeMistakes, writeProgram, type Asker } from '../helpers/client-program.ts';
import { generatorProgram, listTypeErrors, prepareProject, root, runProgram } from '../helpers/project.ts';

const test = await startGateway(t);
await test.app.listen({ host: '127.0.0.1', port: 0 });
const { port } = test.app.server.address() as AddressInfo;
const persona = (dataset: string): string => personas.find((one) => one.dataset === dataset)!.id;
const askers: Record<string, Asker> = {
  citizens: { department: 'civil-affairs', purpose: 'marriage-registration', id: persona('citizens') },
  enterprises: { department: 'taxation', purpose: 'tax-assessment', id: persona('enterprises') },
};

for (const name of readdirSync(join(root, 'openapi')))
  await t.test(`${name} becomes a client that compiles and works`, async (t) => {
    const file = join(root, 'openapi', name);
    const document = JSON.parse(readFileSync(file, 'utf8')) as Document;
    const folder = newFolder(t);
    prepareProject(folder);
    const generated = await runProgram(
      process.execPath,
      [generatorProgram, file, '-o', join(folder, 'schema.d.ts')],
      { cwd: folder },
    );
    t.equal(generated.code, 0, generated.stderr);
    const mistakes = writeMistakes(document, askers);
    writeFileSync(join(folder, 'client.ts'), writeProgram(document, askers));
    for (const [mistake, text] of Object.entries(mistakes)) writeFileSync(join(folder, mistake), text);

    const errors = await listTypeErrors(folder);
    t.same(
      [...new Set(errors.flatMap((line) => /^([\w-]+\.ts)\(/.exec(line)?.[1] ?? []))].sort(),
      Object.keys(mistakes).sort(),
      'each mistake fails to compile, and nothing else',
    );

    const client = await newClient(test);
    const env = {
      GATEWAY: `http://127.0.0.1:${port}`,
      BASIC: basic(client.clientId, client.clientSecret),
      citizens: await test.token('civil-affairs'),
      enterprises: await test.token('taxation'),
      audit: await test.token('audit-office', ['audit']),
    };
    const { code, stdout, stderr } = await runProgram(process.execPath, ['client.ts'], { cwd: folder, env });
    t.equal(code, 0, stderr);
    const answered = JSON.parse(stdout) as Record<string, number>;
    for (const { operationId } of listDataOperations(document))
      t.equal(answered[operationId], 200, operationId);
    t.ok(listDataOperations(document).length >= 4);
    if (name === 'v1.json') {
      t.match(answered, { getEnterprises: 200, getToken: 200, getReceipt: 200, searchEntries: 200 });
      t.equal(Object.keys(answered).length, 12);
    }
  });

await t.test('leaves a whole audit log', async (t) => {
  await checkAuditLog(t, test);
});
