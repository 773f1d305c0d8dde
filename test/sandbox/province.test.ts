import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import t from 'tap';
import citizensSchema from '../../schemas/v2/citizens.json' with { type: 'json' };
import enterprisesSchema from '../../schemas/v1/enterprises.json' with { type: 'json' };
import { idFormats } from '../../src/catalogue/formats.ts';
import { organisationCodeCheck, referenceDate, regionOf } from '../../src/sandbox/names.ts';
import { personaCitizens, personaEnterprises, personas } from '../../src/sandbox/personas.ts';
import { citizens, enterprise, enterprises, household, layOut, limits } from '../../src/sandbox/province.ts';
import type { Citizen } from '../../src/sandbox/province.ts';
import { permutationOf, permute, randomOf } from '../../src/sandbox/random.ts';

const province = { seed: 7, citizens: 20_000, enterprises: 3_000 };
const allCitizens = [...citizens(province)];
const allEnterprises = [...enterprises(province)];
const generated = allCitizens.slice(personaCitizens.length);
const byId = new Map(allCitizens.map((citizen) => [citizen.id, citizen]));
const layout = layOut(province);
/** The households that are in the register with all their members. */
const whole = Array.from({ length: layout.households }, (_, index) => household(layout, index));

const ajv = new Ajv2020({ allErrors: true });
addFormats.default(ajv, ['date']);
ajv.addVocabulary(['x-zh', 'x-dataset']);
for (const [name, { shape, check }] of Object.entries(idFormats)) {
  ajv.addFormat(name, (value) => shape.test(value) && check(value));
}

/** The record without its unknown properties, which a schema leaves out instead of calling them null. */
function known(row: object): object {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}

/** What Ajv says against the first row that is not valid; null when all are. */
function faultOf(schema: object, rows: object[]): unknown {
  const validate = ajv.compile(schema);
  const bad = rows.find((row) => !validate(known(row)));
  return bad ? { bad, errors: validate.errors } : null;
}

function ageOn(date: string, birthDate: string): number {
  const years = Number(date.slice(0, 4)) - Number(birthDate.slice(0, 4));
  return date.slice(4) < birthDate.slice(4) ? years - 1 : years;
}

function isOrWasMarried({ marital_status }: Citizen): boolean {
  return marital_status === 'married' || marital_status === 'widowed';
}

/** The whole address, in one piece. */
function addressOf({ province, city, district, address_detail: detail }: Citizen): string {
  return [province, city, district, detail].join('');
}

function countOf<T>(rows: T[], test: (row: T) => boolean): number {
  return rows.filter(test).length;
}

await t.test('yields as many citizens and enterprises as asked, each valid against its schema', async (t) => {
  t.equal(allCitizens.length, province.citizens);
  t.equal(allEnterprises.length, province.enterprises);
  t.equal(faultOf(citizensSchema, allCitizens), null);
  t.equal(faultOf(enterprisesSchema, allEnterprises), null);
  t.strictSame(Object.keys(generated[0]!), Object.keys(citizensSchema.properties));
  t.strictSame(Object.keys(allEnterprises.at(-1)!), Object.keys(enterprisesSchema.properties));
});

await t.test('gives no id twice', async (t) => {
  t.equal(byId.size, province.citizens);
  t.equal(new Set(allEnterprises.map(({ id }) => id)).size, province.enterprises);
});

await t.test('gives the same rows for the same seed, and others for another', async (t) => {
  const small = { ...province, citizens: 2_000, enterprises: 200 };
  t.strictSame([...citizens(small)], [...citizens(small)]);
  t.strictSame([...enterprises(small)], [...enterprises(small)]);
  for (const seed of [8, 7 + 2 ** 32]) {
    const others = [...citizens({ ...small, seed })].slice(personaCitizens.length);
    t.notOk(others.some(({ id }) => byId.has(id)));
    const firms = new Set([...enterprises({ ...small, seed })].map(({ name }) => name));
    t.ok(countOf(allEnterprises.slice(0, 200), ({ name }) => firms.has(name)) < 20);
  }
});

await t.test('keeps a smaller register as the beginning of a larger one', async (t) => {
  t.strictSame([...citizens({ ...province, citizens: 777 })], allCitizens.slice(0, 777));
});

await t.test('generates any household or enterprise on its own', async (t) => {
  t.strictSame(whole.flat(), generated.slice(0, whole.flat().length));
  t.strictSame(enterprise(layout, 1_000), allEnterprises[1_000 + personaEnterprises.length]);
});

await t.test('writes region, birth date and sex into the resident id', async (t) => {
  const odd = allCitizens.filter(({ id, sex, birth_date, region_code }) => {
    const parity = sex === 'male' ? 1 : 0;
    return !id.startsWith(region_code + birth_date.replaceAll('-', '')) || Number(id[16]) % 2 !== parity;
  });
  t.strictSame(odd, []);
  t.ok(allCitizens.every(({ region_code }) => region_code.startsWith('99')));
});

await t.test('gives phones that nobody has, and some people none', async (t) => {
  t.ok(allCitizens.every(({ mobile_phone: phone }) => phone === null || /^12\d{9}$/.test(phone)));
  const without = countOf(allCitizens, ({ mobile_phone: phone }) => phone === null);
  t.ok(without > 1_000 && without < 8_000);
});

await t.test('has mostly people of the Han, and some of other ethnic groups', async (t) => {
  const han = countOf(generated, ({ ethnicity }) => ethnicity === '汉族') / generated.length;
  t.ok(han > 0.9 && han < 0.97);
});

await t.test('lets people die after their birth, and nothing happen after the reference date', async (t) => {
  t.ok(allCitizens.every(({ birth_date }) => birth_date <= referenceDate));
  const dead = allCitizens.filter(({ deceased_on }) => deceased_on !== null);
  t.ok(dead.length > 200 && dead.length < 2_000);
  t.ok(dead.every((one) => one.birth_date < one.deceased_on! && one.deceased_on! < referenceDate));
});

await t.test('has a household share its address and region', async (t) => {
  t.ok(whole.every((members) => new Set(members.map((one) => addressOf(one))).size === 1));
  t.ok(whole.every((members) => new Set(members.map((one) => one.region_code)).size === 1));
  t.ok(new Set(whole.map((members) => members.length)).size === 6);
});

await t.test('has every married member live with the spouse, both of age', async (t) => {
  const marriages = whole.map((members) => members.filter(isOrWasMarried));
  t.ok(marriages.every((spouses) => countOf(spouses, ({ sex }) => sex === 'male') * 2 === spouses.length));
  const ageOfMarriage = { male: 22, female: 20 };
  t.ok(marriages.flat().every((one) => ageOn(referenceDate, one.birth_date) >= ageOfMarriage[one.sex]));
  const statuses = ['single', 'married', 'widowed', 'divorced'];
  t.strictSame(new Set(generated.map((one) => one.marital_status)), new Set(statuses));
  const divorced = generated.filter((one) => one.marital_status === 'divorced');
  t.ok(divorced.every((one) => ageOn(referenceDate, one.birth_date) >= 22));
});

await t.test('makes a widow or widower of whoever outlived the spouse, and of nobody else', async (t) => {
  const couples = whole.filter((members) => members.length === 2 && members.every(isOrWasMarried));
  const pairs = couples.flatMap(([one, other]) => [[one!, other!] as const, [other!, one!] as const]);
  const wrong = pairs.filter(([self, spouse]) => {
    const outlived = spouse.deceased_on !== null && spouse.deceased_on < (self.deceased_on ?? referenceDate);
    return (self.marital_status === 'widowed') !== outlived;
  });
  t.strictSame(wrong, []);
});

await t.test('has children bear mostly the surname of the father', async (t) => {
  const families = whole.filter(([father, mother, child]) => child && father!.name[0] !== mother!.name[0]);
  const fathers = countOf(families, ([father, , child]) => father!.name[0] === child!.name[0]);
  t.ok(fathers / families.length > 0.85 && fathers < families.length);
});

await t.test('has no mother younger than twenty at the birth of her child', async (t) => {
  const families = whole.filter((members) => members.length >= 3);
  t.ok(families.every(([, mother, child]) => ageOn(child!.birth_date, mother!.birth_date) >= 20));
});

await t.test('has living adults of the register represent the enterprises', async (t) => {
  const unable = allEnterprises.filter((one) => {
    const citizen = byId.get(one.legal_representative_id!);
    if (!citizen || citizen.name !== one.legal_representative || citizen.deceased_on) return true;
    return ageOn(one.established_on, citizen.birth_date) < 18 || one.established_on > referenceDate;
  });
  t.strictSame(unable, []);
  t.ok(new Set(allEnterprises.map((one) => one.legal_representative_id)).size > 2_000);
});

await t.test('finds legal representatives in the smallest register, none in an empty one', async (t) => {
  for (let size = personaCitizens.length; size < 40; size++) {
    const register = new Set([...citizens({ ...province, citizens: size })].map(({ id }) => id));
    const firms = [...enterprises({ seed: 7, citizens: size, enterprises: 30 })];
    t.ok(firms.every((one) => register.has(one.legal_representative_id!)));
  }
  const [, , orphan] = enterprises({ seed: 7, citizens: 0, enterprises: 3 });
  t.match(orphan, { legal_representative: null, legal_representative_id: null });
});

await t.test('gives every organisation code its own check character (GB 11714)', async (t) => {
  t.equal(organisationCodeCheck('D2143569'), 'X');
  t.ok(allEnterprises.every(({ id }) => organisationCodeCheck(id.slice(8, 16)) === id[16]));
  t.ok(allEnterprises.every(({ id }) => /^9199\d{4}/.test(id)));
});

await t.test('permutes the positions of a region without giving one twice', async (t) => {
  for (const size of [2, 31, 100, 168_000]) {
    for (let index = 0; index < 5; index++) {
      const permutation = permutationOf(randomOf(7, 99, index), size);
      const seen = new Set<number>();
      for (let i = 0; i < size; i++) seen.add(permute(permutation, i));
      t.equal(seen.size, size);
      t.ok([...seen].every((value) => Number.isInteger(value) && value >= 0 && value < size));
    }
  }
});

await t.test('keeps the largest products of a permutation exact', async (t) => {
  const { multiplier, offset, size } = layout.organisations;
  const exact = (BigInt(multiplier) * BigInt(size - 1) + BigInt(offset)) % BigInt(size);
  t.equal(permute(layout.organisations, size - 1), Number(exact));
});

await t.test('uses more regions for a larger province, and still gives no id twice', async (t) => {
  t.equal(layout.regions.length, 88);
  const large = layOut({ seed: 7, citizens: 20_000_000, enterprises: 0 });
  t.ok(large.regions.length > 88);
  const last = large.households - 1;
  const rows = [0, large.regions.length * 100, last - 5_000].flatMap((first) =>
    Array.from({ length: 5_000 }, (_, i) => household(large, first + i)).flat(),
  );
  t.equal(new Set(rows.map(({ id }) => id)).size, rows.length);
  t.equal(faultOf(citizensSchema, rows), null);
});

await t.test('has room for the largest province, in regions of different codes and names', async (t) => {
  const { regions, households } = layOut(limits);
  t.equal(Math.ceil(households / regions.length) * 6, regions[0]!.ids.size);
  t.equal(new Set(regions.map(({ region }) => region.code)).size, regions.length);
  t.equal(new Set(regions.map(({ region }) => Object.values(region.place).join(''))).size, regions.length);
  t.ok(
    regions.every(
      ({ region }) => Object.values(region.place).join('').length === 9 && !region.code.startsWith('9999'),
    ),
  );
  t.strictSame(regionOf(0), {
    code: '990101',
    city: '望川',
    place: { province: '云栖省', city: '望川市', district: '临溪区' },
  });
});

await t.test('refuses numbers that no province can have', async (t) => {
  const tooMany = [{ citizens: limits.citizens + 1 }, { enterprises: limits.enterprises + 1 }];
  const wrong = [...tooMany, { seed: -1 }, { seed: 0.5 }, { citizens: Number.NaN }];
  for (const part of wrong) t.throws(() => citizens({ ...province, ...part }).next(), RangeError);
});

await t.test('begins with the personas, whose names nobody else bears', async (t) => {
  t.strictSame(allCitizens.slice(0, personaCitizens.length), personaCitizens);
  t.strictSame(allEnterprises.slice(0, personaEnterprises.length), personaEnterprises);
  t.strictSame([...citizens({ ...province, citizens: 2 })], personaCitizens.slice(0, 2));
  t.strictSame([...enterprises({ ...province, enterprises: 1 })], personaEnterprises.slice(0, 1));
  const names = new Set(personaCitizens.map(({ name }) => name));
  t.notOk(generated.some(({ name }) => names.has(name)));
});

await t.test('tells a story of every persona, and of one absent id in each dataset', async (t) => {
  const registers = { citizens: personaCitizens, enterprises: personaEnterprises };
  for (const [dataset, rows] of Object.entries(registers)) {
    const told = personas.filter((persona) => persona.dataset === dataset);
    const absent = told.filter(({ id }) => !rows.some((row) => row.id === id));
    t.equal(told.length, rows.length + 1);
    t.equal(absent.length, 1);
    t.ok(idFormats[dataset === 'citizens' ? 'resident-id' : 'uscc']!.check(absent[0]!.id));
  }
  t.ok(personas.every(({ story }) => /^[A-Z][^.]*\.$/.test(story)));
});
