import { administer } from './administer.ts';
import { commandLineActor, enterAct } from '../audit/act.ts';
import { countUses, type ConsumerUse } from '../audit/search/count-uses.ts';
import { createCalendar } from '../base/calendar.ts';
import { table, type Command } from './command.ts';
import { UserError } from '../base/errors.ts';
import { loadCatalogue, type Catalogue, type Dataset } from '../catalogue/catalogue.ts';
import { isCalendarDate } from '../catalogue/formats.ts';

export const commands: Command[] = [
  {
    name: 'dataset list',
    summary: 'list the datasets of the catalogue',
    needs: 'home',
    run: () => {
      const items = loadCatalogue().datasets.map((dataset) => ({
        name: dataset.name,
        version: dataset.version,
        title: dataset.title,
        provider: dataset.provider,
        sharing: dataset.sharing,
        deprecated: dataset.retirement?.deprecated ?? null,
        sunset: dataset.retirement?.sunset ?? null,
        fields: [...dataset.fields.keys()],
      }));
      const rows = items.map((item) => [
        item.name,
        `v${item.version}`,
        item.provider,
        item.sharing,
        item.deprecated ?? '',
        item.sunset ?? '',
        item.fields.join(','),
      ]);
      const text = table(
        ['DATASET', 'VERSION', 'PROVIDER', 'SHARING', 'DEPRECATED', 'SUNSET', 'FIELDS'],
        rows,
      );
      return Promise.resolve({ json: { items, next: null }, text });
    },
  },
  {
    name: 'dataset impact',
    args: '<dataset> <version>',
    summary: 'list from the audit log which departments use a version or field, how often, last when',
    needs: 'administer',
    options: [
      {
        flags: '--field <name>',
        description: 'only exchanges that name this field, as the version calls it',
      },
      { flags: '--from <date>', description: 'only exchanges from this day on (YYYY-MM-DD)' },
    ],
    run: ({ args, options, config, progress }) =>
      administer(config, async (database) => {
        const dataset = getVersion(loadCatalogue(), args[0]!, args[1]!);
        const { field, from } = options as Record<string, string | undefined>;
        if (field !== undefined && !dataset.fields.has(field))
          throw new UserError(
            `v${dataset.version} of ${dataset.name} has no field ${field}; it has ${[...dataset.fields.keys()].join(', ')}`,
          );
        if (from !== undefined && !isCalendarDate(from))
          throw new UserError(`--from: "${from}" is not a day (YYYY-MM-DD)`);
        const items = await countUses(
          database,
          {
            dataset: dataset.name,
            version: dataset.version,
            field: field ?? null,
            from: from === undefined ? null : createCalendar(config.timeZone).startOf(from),
          },
          (done, total) => progress(done, total, 'reading the audit log'),
        );
        const asked = { field, from, dataset: dataset.name, version: dataset.version };
        await database.transaction().execute((transaction) =>
          enterAct(transaction, commandLineActor(), {
            operation: 'dataset-impact',
            records: items.length,
            details: asked,
          }),
        );
        return { json: { items, next: null }, text: usesTable(items) };
      }),
  },
];

/** @throws UserError when there is none */
function getVersion(catalogue: Catalogue, name: string, version: string): Dataset {
  const versions = catalogue.datasets.filter((dataset) => dataset.name === name);
  const found = versions.find((dataset) => [`${dataset.version}`, `v${dataset.version}`].includes(version));
  if (found !== undefined) return found;
  const known = [...new Set(catalogue.datasets.map((dataset) => dataset.name))].join(', ');
  if (versions.length === 0) throw new UserError(`there is no dataset "${name}"; there are ${known}`);
  const numbers = versions.map((dataset) => `v${dataset.version}`).join(', ');
  throw new UserError(`${name} has no version "${version}"; it has ${numbers}`);
}

function usesTable(items: readonly ConsumerUse[]): string {
  const list = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  return table(
    ['CONSUMER', 'EXCHANGES', 'LAST', 'OPERATIONS', 'FIELDS'],
    items.map((item) => [
      item.consumer,
      String(item.exchanges),
      item.last,
      list(item.operations),
      list(item.fields),
    ]),
  );
}
