import { administer } from './administer.ts';
import { commandLineActor } from '../audit/act.ts';
import { createCalendar } from '../base/calendar.ts';
import { loadCatalogue } from '../catalogue/catalogue.ts';
import { isCalendarDate } from '../catalogue/formats.ts';
import { listOption, table, type Command } from './command.ts';
import { reasonOption } from '../catalogue/recorded-text.ts';
import { UserError } from '../base/errors.ts';
import { addGrant, revokeGrant } from '../grants/administer-grants.ts';
import { listGrants } from '../grants/find-grants.ts';

export const commands: Command[] = [
  {
    name: 'grant add',
    summary: 'grant a consumer fields of a dataset for purposes',
    needs: 'administer',
    options: [
      { flags: '--consumer <department>', description: 'who may see', required: true },
      { flags: '--dataset <dataset>', description: 'of what', required: true },
      { flags: '--fields <list>', description: 'which fields may be read, separated by commas' },
      { flags: '--verify <list>', description: 'which fields may be verified and not be read' },
      { flags: '--purposes <list>', description: 'for which purposes, separated by commas', required: true },
      {
        flags: '--until <date>',
        description: 'the day on which it ends (YYYY-MM-DD, exclusive)',
        required: true,
      },
      { flags: '--plain <list>', description: 'which of the fields are not masked' },
      { flags: '--daily-quota <n>', description: 'how many subjects may be asked for on a day' },
    ],
    run: ({ options, config }) =>
      administer(config, async (database) => {
        const until = options.until as string;
        if (!isCalendarDate(until)) throw new UserError(`--until: "${until}" is not a day (YYYY-MM-DD)`);
        const terms = {
          consumer: options.consumer as string,
          dataset: options.dataset as string,
          fields: listOption(options.fields),
          plainFields: listOption(options.plain),
          verifyFields: listOption(options.verify),
          ...(options.dailyQuota !== undefined && { dailyQuota: Number(options.dailyQuota) }),
          purposes: listOption(options.purposes),
          validFrom: new Date(),
          validUntil: createCalendar(config.timeZone).startOf(until),
        };
        if (terms.validUntil <= terms.validFrom)
          throw new UserError(`--until: ${until} is not in the future`);
        const { id, entry } = await addGrant(database, loadCatalogue(), commandLineActor(), terms);
        const [grant] = (await listGrants(database, { consumer: terms.consumer })).filter(
          (item) => item.id === id,
        );
        return { json: { ...grant, entry }, text: `granted ${id} (entry ${entry} of the audit log)` };
      }),
  },
  {
    name: 'grant list',
    summary: 'list the grants',
    needs: 'administer',
    options: [
      { flags: '--consumer <department>', description: 'only those of this consumer' },
      { flags: '--dataset <dataset>', description: 'only those for this dataset' },
    ],
    run: ({ options, config }) =>
      administer(config, async (database) => {
        const { consumer, dataset } = options as Record<string, string | undefined>;
        const items = await listGrants(database, {
          ...(consumer !== undefined && { consumer }),
          ...(dataset !== undefined && { dataset }),
        });
        const rows = items.map((item) => [
          item.id,
          item.consumer,
          item.dataset,
          item.status,
          item.valid_until.slice(0, 10),
          item.purposes.join(','),
          item.daily_quota === null ? '' : String(item.daily_quota),
          item.fields.join(','),
          item.verify_fields.join(','),
        ]);
        const headings = [
          'GRANT',
          'CONSUMER',
          'DATASET',
          'STATUS',
          'UNTIL',
          'PURPOSES',
          'QUOTA',
          'FIELDS',
          'VERIFY',
        ];
        return { json: { items, next: null }, text: table(headings, rows) };
      }),
  },
  {
    name: 'grant revoke',
    args: '<id>',
    summary: 'revoke a grant: nothing is released by it after its entry in the audit log',
    needs: 'administer',
    options: [{ flags: '--reason <text>', description: 'why' }],
    run: ({ args, options, config }) =>
      administer(config, async (database) => {
        const reason = options.reason === undefined ? null : reasonOption(options.reason);
        const { id, entry } = await revokeGrant(database, commandLineActor(), args[0]!, reason);
        return {
          json: { id, status: 'revoked', entry },
          text: `revoked ${id} (entry ${entry} of the audit log)`,
        };
      }),
  },
];
