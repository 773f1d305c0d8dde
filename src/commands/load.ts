import { administer } from './administer.ts';
import { commandLineActor } from '../audit/act.ts';
import { createCalendar } from '../base/calendar.ts';
import { loadCatalogue } from '../catalogue/catalogue.ts';
import { isCalendarDate } from '../catalogue/formats.ts';
import type { Command } from './command.ts';
import { UserError } from '../base/errors.ts';
import { loadCsv } from '../records/load.ts';

export const commands: Command[] = [
  {
    name: 'load',
    args: '<dataset> <file>',
    summary: 'load a CSV file; rows that are not valid go to <file>.rejects.csv, the others in',
    needs: 'administer',
    options: [
      {
        flags: '--as-of <date>',
        description: 'the day as of which the provider attests them; default today',
      },
    ],
    run: ({ args, options, config, progress }) =>
      administer(config, async (_database, adminUrl) => {
        const [name, file] = args as [string, string];
        const catalogue = loadCatalogue();
        const dataset = catalogue.findNewest(name);
        if (dataset === null) {
          const names = [...new Set(catalogue.datasets.map((known) => known.name))].join(', ');
          throw new UserError(`there is no dataset "${name}"; there are ${names}`);
        }
        const today = createCalendar(config.timeZone).dayOf(new Date());
        const asOf = (options.asOf as string | undefined) ?? today;
        if (!isCalendarDate(asOf)) throw new UserError(`--as-of: "${asOf}" is not a day (YYYY-MM-DD)`);
        if (asOf > today) throw new UserError(`--as-of: ${asOf} is in the future`);
        const result = await loadCsv(adminUrl, dataset, file, commandLineActor(), {
          asOf,
          onProgress: (bytes, total) => progress(bytes, total, `loading ${name}`),
        });
        const warned = result.warned > 0 ? `, ${result.warned} of them with a wrong check digit` : '';
        const rejected =
          result.rejected > 0 ? `; ${result.rejected} rejected, see ${result.rejects_file}` : '';
        return { json: result, text: `${result.loaded} of ${result.rows} rows loaded${warned}${rejected}` };
      }),
  },
];
