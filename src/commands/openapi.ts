import type { Command } from './command.ts';
import { UserError } from '../base/errors.ts';

export const commands: Command[] = [
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
