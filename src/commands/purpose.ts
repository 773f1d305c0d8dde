import { administer } from './administer.ts';
import { commandLineActor } from '../audit/act.ts';
import { listOption, table, type Command } from './command.ts';
import { addPurpose, listPurposes } from '../grants/purposes.ts';

export const commands: Command[] = [
  {
    name: 'purpose add',
    args: '<code>',
    summary: 'register a purpose with its legal basis',
    needs: 'administer',
    options: [
      { flags: '--title-en <text>', description: 'its title in English', required: true },
      { flags: '--title-zh <text>', description: 'its title in Chinese', required: true },
      { flags: '--legal-basis <text>', description: 'the law, and its article', required: true },
      {
        flags: '--require <what...>',
        description: 'case or official: what each request must name; repeatable',
      },
      { flags: '--confidential-days <n>', description: 'days for which subjects are not told', default: '0' },
    ],
    run: ({ args, options, config }) =>
      administer(config, async (database) => {
        const purpose = {
          code: args[0]!,
          title: { zh: options.titleZh as string, en: options.titleEn as string },
          legal_basis: options.legalBasis as string,
          requires: listOption(options.require),
          confidential_days: /^\d+$/.test(options.confidentialDays as string)
            ? Number(options.confidentialDays)
            : NaN,
        };
        await addPurpose(database, commandLineActor(), purpose);
        return { json: purpose, text: `registered purpose ${purpose.code}` };
      }),
  },
  {
    name: 'purpose list',
    summary: 'list the registered purposes',
    needs: 'administer',
    run: ({ config }) =>
      administer(config, async (database) => {
        const items = await listPurposes(database);
        const rows = items.map((item) => [
          item.code,
          item.title.en,
          item.requires.join(','),
          item.legal_basis,
        ]);
        return {
          json: { items, next: null },
          text: table(['CODE', 'TITLE', 'REQUIRES', 'LEGAL BASIS'], rows),
        };
      }),
  },
];
