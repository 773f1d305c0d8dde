import type { Calendar } from '../base/calendar.ts';
import { ProblemError } from '../base/errors.ts';
import type { Grant } from './authority.ts';

/** How many subjects of a grant are due. */
export interface Charge {
  grant: Grant;
  subjects: number;
}

/** The daily quotas of grants, exact over all gateways. */
export interface Quotas {
  /**
   * Takes subjects of the quotas of the day, all of them or none; every grant has one. Where the leases have enough, nothing is waited for.
   *
   * @throws ProblemError quota-exceeded, store-unavailable
   */
  charge(due: readonly Charge[], day: string): Promise<void>;
  /** Puts back what was taken and is not needed. */
  refund(charge: Charge, day: string): void;
  /** Gives what the leases have left back to other gateways. */
  close(): Promise<void>;
}

/** A part of a grant's quota of a day that this process may use up by itself. */
interface Lease {
  grant: string;
  day: string;
  left: number;
  /** How much the last part was: with half of it gone the next is asked for. */
  part: number;
  renewing: Promise<number> | null;
  /** The smallest part that was not to be had, and when that was. */
  refused: { wanted: number; atMs: number } | null;
}

/** How long a refusal is taken for granted: another gateway may give back what it has left. */
const refusedMs = 1000;

/** @param ask runs a statement that answers one value. @throws ProblemError store-unavailable */
export function openQuotas(
  calendar: Calendar,
  ask: <T>(text: string, values: unknown[]) => Promise<T>,
): Quotas {
  // An exchange that began before midnight may end behind one that began after: days have leases of their own.
  const leases = new Map<string, Lease>();

  function leaseOf(grant: Grant, day: string): Lease {
    const key = `${day} ${grant.id}`;
    const known = leases.get(key);
    if (known !== undefined) return known;
    const lease: Lease = { grant: grant.id, day, left: 0, part: 0, renewing: null, refused: null };
    leases.set(key, lease);
    return lease;
  }

  /** Asks for a part; whoever comes meanwhile waits for the same one. */
  function renew(lease: Lease, wanted: number): Promise<number> {
    lease.renewing ??= takePart(lease, wanted).finally(() => (lease.renewing = null));
    return lease.renewing;
  }

  async function takePart(lease: Lease, wanted: number): Promise<number> {
    const values = [lease.day, lease.grant, wanted];
    const part = await ask<number>('select limits.take($1::date, $2::uuid, $3::bigint) as answer', values);
    if (part > 0) {
      lease.part = part;
      lease.left += part;
    } else lease.refused = { wanted, atMs: performance.now() };
    return part;
  }

  async function takeFrom(lease: Lease, subjects: number): Promise<boolean> {
    while (lease.left < subjects) {
      if (lease.renewing !== null) {
        await lease.renewing;
        continue;
      }
      const wanted = subjects - lease.left;
      if (lease.refused !== null && performance.now() - lease.refused.atMs > refusedMs) lease.refused = null;
      if (lease.refused !== null && wanted >= lease.refused.wanted) return false;
      if ((await renew(lease, wanted)) === 0) return false;
    }
    lease.left -= subjects;
    if (lease.left * 2 < lease.part && lease.renewing === null && lease.refused === null)
      renew(lease, 1).catch(() => undefined);
    return true;
  }

  async function giveBack(lease: Lease): Promise<void> {
    await lease.renewing?.catch(() => undefined);
    if (lease.left === 0) return;
    const values = [lease.day, lease.grant, lease.left];
    lease.left = 0;
    await ask('select limits.give_back($1::date, $2::uuid, $3::bigint)', values).catch(() => undefined);
  }

  /** Of days that are over for every exchange, nothing is needed any more. */
  function dropEarlier(day: string): void {
    const yesterday = calendar.dayBefore(day);
    for (const [key, lease] of leases) if (lease.day < yesterday) leases.delete(key);
  }

  let today = '';
  return {
    async charge(due, day) {
      if (day !== today) dropEarlier((today = day));
      const taken: [Lease, number][] = [];
      try {
        for (const { grant, subjects } of due) {
          const lease = leaseOf(grant, day);
          if (!(await takeFrom(lease, subjects))) throw exceeded(grant);
          taken.push([lease, subjects]);
        }
      } catch (error) {
        for (const [lease, subjects] of taken) lease.left += subjects;
        throw error;
      }
    },
    refund({ grant, subjects }, day) {
      leaseOf(grant, day).left += subjects;
    },
    async close() {
      await Promise.all([...leases.values()].map(giveBack));
      leases.clear();
    },
  };
}

function exceeded({ consumer, dataset, dailyQuota }: Grant): ProblemError {
  return new ProblemError('quota-exceeded', { consumer, dataset, quota: String(dailyQuota) });
}
