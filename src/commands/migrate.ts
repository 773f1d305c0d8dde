import { withAdminUrl } from './administer.ts';
import type { Command } from './command.ts';
import { migrate } from '../audit/migrate.ts';

export const commands: Command[] = [
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
];
