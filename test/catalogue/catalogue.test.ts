import t, { type Test } from 'tap';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadCatalogue } from '../../src/catalogue/catalogue.ts';
import { checkRelations } from '../../src/catalogue/relations.ts';
import { UserError } from '../../src/base/errors.ts';
import { createDatabase } from '../helpers/database.ts';

const schemas = join(import.meta.dirname, '..', '..', 'schemas');

interface Schema {
  [member: string]: unknown;
  $id: string;
  required: string[];
  properties: Record<string, Record<string, unknown>>;
  'x-dataset': { key: string; fields: Record<string, Record<string, unknown>> } & Record<string, unknown>;
}

/** A copy of the schemas in a folder of its own. */
function copySchemas(t: Test): string {
  const folder = join(t.testdir(), 'schemas');
  cpSync(schemas, folder, { recursive: true });
  return folder;
}

/** A copy of the schemas in which the file of citizens was changed. */
function changeCitizens(t: Test, change: (schema: Schema) => void, version = 'v1'): string {
  const folder = copySchemas(t);
  const file = join(folder, version, 'citizens.json');
  const schema = JSON.parse(readFileSync(file, 'utf8')) as Schema;
  change(schema);
  writeFileSync(file, JSON.stringify(schema));
  return folder;
}

/** What a folder's faults are, one a line; fails when it loads. */
function faultsOf(t: Test, folder: string): string[] {
  try {
    loadCatalogue(folder);
  } catch (error) {
    t.ok(error instanceof UserError, 'a fault that its user can act on, without a stack trace');
    return (error as Error).message.split('\n').slice(1);
  }
  t.fail('the catalogue was loaded');
  return [];
}

const annotation = (schema: Schema): Schema['x-dataset'] => schema['x-dataset'];

const broken: [what: string, change: (schema: Schema) => void, pointer: string, reason: RegExp][] = [
  [
    'a field without its annotation',
    (schema) => delete annotation(schema).fields.sex,
    '/x-dataset/fields/sex',
    /missing/,
  ],
  [
    'an annotation without a field',
    (schema) => (annotation(schema).fields.height = { level: 'L1', searchable: false }),
    '/x-dataset/fields/height',
    /no property/,
  ],
  [
    'an annotation without a level',
    (schema) => delete annotation(schema).fields.sex!.level,
    '/x-dataset/fields/sex',
    /level/,
  ],
  [
    'a level that there is not',
    (schema) => (annotation(schema).fields.sex!.level = 'L5'),
    '/x-dataset/fields/sex/level',
    /allowed/,
  ],
  [
    'a field of level L3 without a mask',
    (schema) => delete annotation(schema).fields.phone!.mask,
    '/x-dataset/fields/phone/mask',
    /missing.*L3/,
  ],
  [
    'a field of level L4 without a mask',
    (schema) => (annotation(schema).fields.sex!.level = 'L4'),
    '/x-dataset/fields/sex/mask',
    /missing.*L4/,
  ],
  [
    'a mask that would never be used',
    (schema) => (annotation(schema).fields.sex!.mask = { keep_start: 1, keep_end: 0 }),
    '/x-dataset/fields/sex/mask',
    /L2/,
  ],
  ['another $id than the file', (schema) => (schema.$id = 'people'), '/$id', /people.*file/],
  ['an $id that is no name', (schema) => (schema.$id = 'Citizens!'), '/$id', /pattern/],
  [
    'a key that is no field',
    (schema) => (annotation(schema).key = 'number'),
    '/x-dataset/key',
    /"number" is no property/,
  ],
  ['a key missing', (schema) => delete (annotation(schema) as { key?: string }).key, '/x-dataset', /key/],
  [
    'a key that may be unknown',
    (schema) => (schema.required = ['name']),
    '/required',
    /must name the key "id"/,
  ],
  [
    'a key without a bound',
    (schema) => delete schema.properties.id!.maxLength,
    '/properties/id',
    /maxLength/,
  ],
  ['a required field that there is not', (schema) => schema.required.push('height'), '/required', /"height"/],
  [
    'an example that is not valid',
    (schema) => (schema.properties.birth_date!.examples = ['1990-02-30']),
    '/properties/birth_date/examples/0',
    /date/,
  ],
  ['no example', (schema) => delete schema.properties.sex!.examples, '/properties/sex', /examples/],
  [
    'a format that nobody knows',
    (schema) => (schema.properties.name!.format = 'full-name'),
    '/properties',
    /full-name.*name|name.*full-name/,
  ],
  [
    'a keyword that nobody knows',
    (schema) => (schema.properties.name!.maxLenght = 5),
    '/properties',
    /maxLenght/,
  ],
  [
    'a former name in the first version',
    (schema) => (annotation(schema).fields.sex!.formerly = 'gender'),
    '/x-dataset/fields/sex/formerly',
    /first version/,
  ],
  [
    'a day of its end that there is not',
    (schema) => (annotation(schema).sunset = '2027-02-30'),
    '/x-dataset/sunset',
    /no day/,
  ],
  [
    'an end before it is deprecated',
    (schema) => (annotation(schema).sunset = '2026-11-30'),
    '/x-dataset/sunset',
    /deprecated before/,
  ],
  ['no translation', (schema) => delete schema['x-zh'], '(root)', /x-zh/],
  [
    'a field that is called like a parameter of requests',
    (schema) => {
      schema.properties.fields = { ...schema.properties.sex };
      annotation(schema).fields.fields = { level: 'L1', searchable: false };
    },
    '/properties/fields',
    /parameter/,
  ],
  [
    'a field that no column can be called like',
    (schema) => (schema.properties['drop table'] = { ...schema.properties.sex }),
    '/properties',
    /pattern|property name/,
  ],
];

const brokenVersion2: typeof broken = [
  [
    'a former name that the version before does not have',
    (schema) => (annotation(schema).fields.mobile_phone!.formerly = 'fax'),
    '/x-dataset/fields/mobile_phone/formerly',
    /"fax" is no field of the version before/,
  ],
  [
    'a renamed field beside the old one',
    (schema) => {
      schema.properties.phone = { ...schema.properties.mobile_phone };
      annotation(schema).fields.phone = { ...annotation(schema).fields.mobile_phone, formerly: undefined };
    },
    '/x-dataset/fields/phone',
    /says the same as "mobile_phone"/,
  ],
  [
    'a part by the name of another field',
    (schema) => (annotation(schema).fields.name!.formerly = 'household_address'),
    '/x-dataset/fields/name/formerly',
    /"name" was another field/,
  ],
  [
    'a newest version that is deprecated',
    (schema) => (annotation(schema).deprecated = '2026-12-01'),
    '/x-dataset/deprecated',
    /no successor/,
  ],
];

for (const [what, change, pointer, reason] of brokenVersion2)
  await t.test(`stops at ${what}, with file, pointer and reason`, (t) => {
    const faults = faultsOf(t, changeCitizens(t, change, 'v2'));
    const prefix = `  schemas/v2/citizens.json: ${pointer}: `;
    t.ok(
      faults.some((fault) => fault.startsWith(prefix) && reason.test(fault)),
      faults.join('\n'),
    );
    t.end();
  });

await t.test('tells each version what its fields are in all of them, and what comes after it', (t) => {
  const [v1, v2] = loadCatalogue().datasets.filter(({ name }) => name === 'citizens');
  t.equal(v2!.fields.get('mobile_phone')!.concept, v1!.fields.get('phone')!.concept);
  t.equal(v2!.fields.get('city')!.concept.whole, v1!.fields.get('household_address')!.concept);
  t.equal(v1!.concepts, v2!.concepts);
  t.match(v1!.retirement, { deprecated: '2026-12-01', sunset: '2027-12-31', successor: '/v2/citizens' });
  t.equal(v2!.retirement, null);
  t.end();
});

for (const [what, change, pointer, reason] of broken)
  await t.test(`stops at ${what}, with file, pointer and reason`, (t) => {
    const faults = faultsOf(t, changeCitizens(t, change));
    const prefix = `  schemas/v1/citizens.json: ${pointer}: `;
    const told = faults.filter((fault) => fault.startsWith(prefix));
    t.ok(
      told.some((fault) => reason.test(fault.slice(prefix.length))),
      faults.join('\n') || 'no fault at all',
    );
    t.end();
  });

await t.test('stops at a file that is not JSON', (t) => {
  const folder = copySchemas(t);
  writeFileSync(join(folder, 'v1', 'citizens.json'), '{"$id": "citizens",}');
  t.match(faultsOf(t, folder), [/^ {2}schemas\/v1\/citizens\.json: \(root\): not JSON: /]);
  t.end();
});

await t.test('stops at a dataset that is called like a route', (t) => {
  for (const name of ['audit', 'catalogue', 'disclosures', 'exchanges', 'grants', 'me', 'purposes']) {
    const folder = copySchemas(t);
    const schema = JSON.parse(readFileSync(join(folder, 'v1', 'citizens.json'), 'utf8')) as Schema;
    writeFileSync(join(folder, 'v1', `${name}.json`), JSON.stringify({ ...schema, $id: name }));
    t.match(faultsOf(t, folder), [new RegExp(`^ {2}schemas/v1/${name}\\.json: /\\$id: .*route`)]);
  }
  t.end();
});

await t.test('tells all faults of all files at once', (t) => {
  const folder = changeCitizens(t, (schema) => {
    delete annotation(schema).fields.sex;
    delete annotation(schema).fields.phone!.mask;
  });
  writeFileSync(join(folder, 'v1', 'enterprises.json'), '');
  mkdirSync(join(folder, 'new'));
  const faults = faultsOf(t, folder);
  t.equal(faults.length, 4, faults.join('\n'));
  t.match(faults.join('\n'), /citizens[^]*citizens[^]*enterprises/);
  t.match(faults.join('\n'), /^ {2}new: /m);
  t.end();
});

await t.test('stops at a schema that the relation does not fit, with file, pointer and reason', async (t) => {
  const { database } = await createDatabase(t);
  await checkRelations(database, loadCatalogue());
  const folder = changeCitizens(t, (schema) => {
    schema.properties.height = { ...schema.properties.region_code };
    annotation(schema).fields.height = { level: 'L1', searchable: false };
    schema.properties.sex = { ...schema.properties.sex, type: 'integer', enum: undefined, examples: [1] };
  });
  await t.rejects(checkRelations(database, loadCatalogue(folder)), {
    name: 'UserError',
    message:
      /schemas\/v1\/citizens\.json: \/properties\/sex: .*integer.*text[^]*\/properties\/height: .*column/,
  });
});
