import { withAdminUrl } from './administer.ts';
import type { Command } from './command.ts';
import { migrate } from '../audit/migrate.ts';
import { UserError } from '../base/errors.ts';

/** The commands of whoever runs the gateway. What is large is imported when it is run: other commands start faster. */
export const operatorCommands: Command[] = [
  {
    name: 'serve',
    summary: 'run the gateway until a signal ends it',
    needs: 'serve',
    run: async ({ config }) => {
      const { serve } = await import('../gateway/serve.ts');
      await serve(config, (line) => process.stdout.write(`${line}\n`));
    },
  },
  {
    name: 'migrate',
    summary: "bring the database to this program's schema",
    needs: 'administer',
    run: ({ config }) =>
      withAdminUrl(config, async (adminUrl) => {
        const migrations = await migrate(adminUrl);
        const text =
          migrations.length === 0 ? 'nothing to do' : migrations.map((name) => `ran ${name}`).join('\n');
        return { json: { migrations }, text };
      }),
  },
  {
    name: 'openapi',
    summary: 'write the OpenAPI documents to openapi/, or check that they are current',
    needs: 'home',
    options: [{ flags: '--check', description: 'write nothing; fail when a document is stale' }],
    run: async ({ options }) => {
      const { listStaleDocuments, writeDocuments } = await import('./openapi-files.ts');
      if (options.check !== true) {
        const files = await writeDocuments();
        return { json: { files }, text: files.map((file) => `wrote ${file}`).join('\n') };
      }
      const stale = await listStaleDocuments();
      if (stale.length > 0) throw new UserError(`stale: ${stale.join(', ')}; run "npm run generate"`);
      return { json: { stale }, text: 'the OpenAPI documents are current' };
    },
  },
];
