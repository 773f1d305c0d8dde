import * as names from './names.ts';
import { personaCitizens, personaEnterprises, type Citizen, type Enterprise } from './personas.ts';
import {
  chance,
  int,
  permutationOf,
  permute,
  pick,
  randomOf,
  type Permutation,
  type Random,
} from './random.ts';
import { maritalStatus, member, letSomeDie, type Member } from './member.ts';

export type { Citizen, Enterprise };

/** A made-up province: the same three numbers always give the same people and enterprises. */
export interface Province {
  /** A safe integer of at least 0. */
  seed: number;
  citizens: number;
  enterprises: number;
}

const streams = { household: 1, mix: 2, residentIds: 3, enterprise: 4, organisations: 5, occupation: 6 };

function couple(random: Random, wifeAge: number, husbandSurname?: string): [Member, Member] {
  const man = member(random, Math.max(22, wifeAge + int(random, -3, 6)), 'male', husbandSurname);
  const woman = member(random, wifeAge, 'female');
  man.spouse = woman;
  woman.spouse = man;
  return [man, woman];
}

function single(random: Random): Member[] {
  const one = member(random, chance(random, 0.7) ? int(random, 20, 40) : int(random, 41, 85));
  if (one.age > 28 && chance(random, 0.4)) one.status = 'divorced';
  return [one];
}

function singleParent(random: Random): Member[] {
  const child = member(random, int(random, 1, 20));
  const parent = member(random, child.age + int(random, 23, 36), chance(random, 0.75) ? 'female' : 'male');
  if (parent.sex === 'male') parent.surname = child.surname;
  return [{ ...parent, status: 'divorced' }, child];
}

function widowed(random: Random): Member[] {
  const [man, woman] = couple(random, int(random, 55, 95));
  (chance(random, 0.75) ? man : woman).diedDaysAgo = int(random, 1, 15 * 365);
  return [man, woman];
}

function family(random: Random, childCount: number, withGrandparents: boolean): Member[] {
  const ages = [int(random, 0, withGrandparents ? 16 : 24)];
  while (ages.length < childCount) ages.unshift(ages[0]! + int(random, 1, 6));
  const [father, mother] = couple(random, ages[0]! + int(random, 21, 33));
  const childSurname = (chance(random, 0.92) ? father : mother).surname;
  const children = ages.map((age) => member(random, age, undefined, childSurname));
  if (!withGrandparents) return [father, mother, ...children];
  const grandparents = couple(random, father.age + int(random, 22, 32), father.surname);
  return [father, mother, ...children, ...grandparents];
}

/** How many of every 100 households in a row are of a kind, and how many members `compose` gives each. */
const kinds: { share: number; size: number; compose: (random: Random) => Member[] }[] = [
  { share: 19, size: 1, compose: single },
  { share: 20, size: 2, compose: (random) => couple(random, int(random, 20, 85)) },
  { share: 24, size: 3, compose: (random) => family(random, 1, false) },
  { share: 12, size: 4, compose: (random) => family(random, 2, false) },
  { share: 9, size: 5, compose: (random) => family(random, 1, true) },
  { share: 4, size: 6, compose: (random) => family(random, 2, true) },
  { share: 7, size: 2, compose: widowed },
  { share: 5, size: 2, compose: singleParent },
];
const kindsOfBlock = kinds.flatMap((kind) => Array.from({ length: kind.share }, () => kind));
const citizensOfBlock = kinds.reduce((sum, kind) => sum + kind.share * kind.size, 0);

/** What has to be known of a province to generate any household or enterprise of it alone. */
export interface Layout {
  seed: number;
  /** The regions to which the households are dealt in turn, each with its order of resident ids. */
  regions: { region: names.Region; ids: Permutation }[];
  /** How many generated citizens there are, besides the personas. */
  citizens: number;
  /** How many generated households are in the register with all their members. */
  households: number;
  /** Who represents an enterprise where no generated citizen can. */
  fallback: Citizen | null;
  organisations: Permutation;
}

const maxHouseholdSize = 6;
const householdsOfRegion = names.positionCount / maxHouseholdSize;
const citizensOfRegion = (householdsOfRegion / kindsOfBlock.length) * citizensOfBlock;
const minRegions = 88;

/** The largest numbers that a province can have. */
export const limits: Province = {
  seed: Number.MAX_SAFE_INTEGER,
  citizens: personaCitizens.length + names.cityCount * names.countyCount * citizensOfRegion,
  enterprises: names.organisationCount,
};

/** Lays a province out. Throws a RangeError for a number that is not whole, or not from 0 to its limit. */
export function layOut(province: Province): Layout {
  for (const name of ['seed', 'citizens', 'enterprises'] as const) {
    const value = province[name];
    if (Number.isInteger(value) && value >= 0 && value <= limits[name]) continue;
    throw new RangeError(
      `A province's ${name} must be a whole number from 0 to ${limits[name]}, not ${value}`,
    );
  }
  const { seed } = province;
  const citizens = Math.max(0, province.citizens - personaCitizens.length);
  const regions = Math.max(minRegions, Math.ceil(citizens / citizensOfRegion));
  let households = Math.floor(citizens / citizensOfBlock) * kindsOfBlock.length;
  let rest = citizens % citizensOfBlock;
  while ((rest -= kindOf(seed, households).size) >= 0) households++;
  return {
    seed,
    regions: Array.from({ length: regions }, (_, index) => ({
      region: names.regionOf(index),
      ids: permutationOf(randomOf(seed, streams.residentIds, index), names.positionCount),
    })),
    citizens,
    households,
    fallback: province.citizens > 0 ? personaCitizens[0]! : null,
    organisations: permutationOf(randomOf(seed, streams.organisations, 0), names.organisationCount),
  };
}

function kindOf(seed: number, index: number): (typeof kinds)[number] {
  const block = Math.floor(index / kindsOfBlock.length);
  const mix = permutationOf(randomOf(seed, streams.mix, block), kindsOfBlock.length);
  return kindsOfBlock[permute(mix, index % mix.size)]!;
}

/** The members of the household with this index, which may be any that the layout's regions have room for. */
export function household(layout: Layout, index: number): Citizen[] {
  const { seed, regions } = layout;
  const random = randomOf(seed, streams.household, index);
  const members = kindOf(seed, index).compose(random);
  letSomeDie(random, members);
  const { region, ids } = regions[index % regions.length]!;
  const firstPosition = Math.floor(index / regions.length) * maxHouseholdSize;
  const ethnicity = names.ethnicity(random);
  const home = names.home(random);
  const work = randomOf(seed, streams.occupation, index);
  return members.map((one, i) => {
    const position = permute(ids, firstPosition + i);
    const { id, birthDate } = names.residentIdOf(region.code, position, one.sex, one.age);
    return {
      id,
      name: one.surname + names.givenName(random, one.sex, Number(birthDate.slice(0, 4))),
      sex: one.sex,
      birth_date: birthDate,
      ethnicity: chance(random, 0.98) ? ethnicity : names.ethnicity(random),
      ...region.place,
      address_detail: home,
      region_code: region.code,
      mobile_phone: one.diedDaysAgo === null ? names.phone(random, one.age) : null,
      marital_status: maritalStatus(one),
      deceased_on: one.diedDaysAgo === null ? null : names.dateOf(names.referenceDay - one.diedDaysAgo),
      occupation: names.occupation(work, one.age),
    };
  });
}

/** The generated enterprise with this index, represented by a living adult whom the layout's register has. */
export function enterprise(layout: Layout, index: number): Enterprise {
  const random = randomOf(layout.seed, streams.enterprise, index);
  const { region } = pick(random, layout.regions);
  const type = pick(random, names.enterpriseTypes);
  const industry = names.industry(random);
  const representative = representativeOf(layout, random);
  const earliest = Math.max(names.dayOf('1992-01-01'), representative ? adultFrom(representative) : 0);
  return {
    id: names.usccOf(region.code, permute(layout.organisations, index)),
    name: names.enterpriseName(random, region.city, industry.word, type),
    type,
    legal_representative: representative?.name ?? null,
    legal_representative_id: representative?.id ?? null,
    registered_capital: names.capital(random, type),
    established_on: names.dateOf(int(random, earliest, names.referenceDay)),
    status: pick(random, names.enterpriseStatuses),
    industry_code: industry.code,
    address: Object.values(region.place).join('') + names.street(random),
    business_scope: industry.scope,
  };
}

function representativeOf(layout: Layout, random: Random): Citizen | null {
  for (let attempt = 0; attempt < 8 && layout.households > 0; attempt++) {
    const members = household(layout, int(random, 0, layout.households - 1));
    const able = members.filter((one) => one.deceased_on === null && adultFrom(one) <= names.referenceDay);
    if (able.length > 0) return pick(random, able);
  }
  return layout.fallback;
}

/** The day from which someone is certainly eighteen: no eighteen years have more days. */
function adultFrom({ birth_date }: Citizen): number {
  return names.dayOf(birth_date) + 6575;
}

/** The population register: the personas first, then household after household, in flat memory. */
export function* citizens(province: Province): Generator<Citizen> {
  const layout = layOut(province);
  yield* personaCitizens.slice(0, province.citizens);
  for (let index = 0, left = layout.citizens; left > 0; index++) {
    const members = household(layout, index);
    yield* members.slice(0, left);
    left -= members.length;
  }
}

/** The enterprise register: the personas first, in flat memory. */
export function* enterprises(province: Province): Generator<Enterprise> {
  const layout = layOut(province);
  yield* personaEnterprises.slice(0, province.enterprises);
  const generated = province.enterprises - personaEnterprises.length;
  for (let index = 0; index < generated; index++) yield enterprise(layout, index);
}
