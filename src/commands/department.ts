import { administer } from './administer.ts';
import { commandLineActor } from '../audit/act.ts';
import { table, type Command } from './command.ts';
import { addDepartment, listDepartments } from '../identity/departments-and-clients.ts';

export const commands: Command[] = [
  {
    name: 'department add',
    args: '<code>',
    summary: 'add a department',
    needs: 'administer',
    options: [
      { flags: '--title-en <text>', description: 'its title in English', required: true },
      { flags: '--title-zh <text>', description: 'its title in Chinese', required: true },
    ],
    run: ({ args, options, config }) =>
      administer(config, async (database) => {
        const code = args[0]!;
        const title = { zh: options.titleZh as string, en: options.titleEn as string };
        await addDepartment(database, commandLineActor(), { code, title });
        return { json: { code, title }, text: `added department ${code}` };
      }),
  },
  {
    name: 'department list',
    summary: 'list the departments',
    needs: 'administer',
    run: ({ config }) =>
      administer(config, async (database) => {
        const items = await listDepartments(database);
        const rows = items.map(({ code, title }) => [code, title.en, title.zh]);
        return { json: { items, next: null }, text: table(['CODE', 'TITLE', '名称'], rows) };
      }),
  },
];
