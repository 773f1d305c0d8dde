import * as names from './names.ts';
import type { Citizen } from './personas.ts';
import { chance, int, type Random } from './random.ts';

export interface Member {
  sex: 'male' | 'female';
  surname: string;
  /** Whole years on the reference date, whether alive or not. */
  age: number;
  status: 'single' | 'divorced' | null;
  /** The person to whom this member is or was married. Where there is one, the status follows from who has died. */
  spouse: Member | null;
  /** Days before the reference date. */
  diedDaysAgo: number | null;
}

export function member(random: Random, age: number, sex?: 'male' | 'female', surname?: string): Member {
  return {
    sex: sex ?? (chance(random, 0.51) ? 'male' : 'female'),
    surname: surname ?? names.surname(random),
    age,
    status: 'single',
    spouse: null,
    diedDaysAgo: null,
  };
}

/** Nobody dies before the youngest of the household is born or before the couples of it can have married. */
export function letSomeDie(random: Random, members: Member[]): void {
  const years = Math.min(15, ...members.map((one) => (one.spouse ? one.age - 22 : one.age)));
  for (const one of members) {
    const risk = one.age < 50 ? 0.003 : one.age < 65 ? 0.02 : one.age < 80 ? 0.1 : 0.35;
    if (years > 0 && chance(random, risk)) one.diedDaysAgo ??= int(random, 1, years * 365 - 1);
  }
}

export function maritalStatus({ status, spouse, diedDaysAgo }: Member): Citizen['marital_status'] {
  if (!spouse) return status;
  return spouse.diedDaysAgo !== null && spouse.diedDaysAgo > (diedDaysAgo ?? 0) ? 'widowed' : 'married';
}
