import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { personas } from '../../src/sandbox/personas.ts';
import { newFolder } from '../helpers/folder.ts';
import type { Document } from '../helpers/openapi-document.ts';
import { checkAuditLog } from '../helpers/check-audit-log.ts';
import { basic, newClient } from '../helpers/clients.ts';
import { startGateway } from '../helpers/gateway.ts';
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

const names = readdirSync(join(root, 'openapi')).sort();
const newest = names.at(-1)!;

for (const name of names)
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

    const basicOf = async (department: string, role: string): Promise<string> => {
      const client = await newClient(test, department, [role]);
      return basic(client.clientId, client.clientSecret);
    };
    const env = {
      GATEWAY: `http://127.0.0.1:${port}`,
      citizens: await basicOf('civil-affairs', 'exchange'),
      enterprises: await basicOf('taxation', 'exchange'),
      audit: await basicOf('audit-office', 'audit'),
    };
    const { code, stdout, stderr } = await runProgram(process.execPath, ['client.ts'], { cwd: folder, env });
    t.equal(code, 0, stderr);
    const { answered, deprecated } = JSON.parse(stdout) as {
      answered: Record<string, number>;
      deprecated: string[];
    };
    const operations = listDataOperations(document);
    for (const { operationId } of operations) t.equal(answered[operationId], 200, operationId);
    t.match(answered, { getEnterprises: 200, getToken: 200, getReceipt: 200, searchEntries: 200 });
    t.equal(Object.keys(answered).length, operations.length + 3);
    t.equal(operations.length, 9);
    if (name !== newest) return;
    const paths = operations.map(({ path }) => path);
    t.ok(paths.includes('/v2/citizens/read') && paths.includes('/v1/enterprises/read'));
    t.same(deprecated, [], 'nothing that it calls is deprecated');
    t.notMatch(readFileSync(join(folder, 'schema.d.ts'), 'utf8'), '@deprecated', 'nor anything that it has');
  });

await t.test('leaves a whole audit log', async (t) => {
  await checkAuditLog(t, test);
});
