import { randomBytes } from 'node:crypto';
import t from 'tap';
import { deriveLogSecrets } from '../../src/audit/subjects.ts';
import { createCalendar } from '../../src/base/calendar.ts';
import { createOccasion } from '../../src/exchange/day-limits.ts';
import type { Grant } from '../../src/grants/authority.ts';
import type { Limits } from '../../src/grants/limits.ts';

const calendar = createCalendar('Asia/Shanghai');
const midnight = new Date('2026-11-25T16:00:00.000Z');
const before = new Date(midnight.getTime() - 1);

function grant(id: string): Grant {
  return {
    id,
    consumer: 'a',
    dataset: 'd',
    fields: ['x'],
    plainFields: [],
    verifyFields: [],
    purposes: ['p'],
    status: 'active',
    validFromMs: 0,
    validUntilMs: Infinity,
    requires: [],
    dailyQuota: 100,
  };
}

/** What of each day's quotas is taken. */
function rig(): { limits: Limits; taken: Map<string, number> } {
  const taken = new Map<string, number>();
  const add = ({ id }: Grant, subjects: number, now: Date): void => {
    const key = `${calendar.dayOf(now)} ${id}`;
    taken.set(key, (taken.get(key) ?? 0) + subjects);
  };
  const limits: Limits = {
    calendar,
    charge(due, now) {
      for (const one of due) add(one.grant, one.subjects, now);
      return Promise.resolve();
    },
    refund: (one, subjects, now) => add(one, -subjects, now),
    countAttempt: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return { limits, taken };
}

const secrets = deriveLogSecrets(randomBytes(32));
const asker = { department: 'a', clientId: 'a-1' };

await t.test('takes the same once, however often an exchange is decided', async (t) => {
  const { limits, taken } = rig();
  const { meet } = createOccasion({ limits, secrets }, asker);
  for (let i = 0; i < 3; i++) await meet([grant('g')], midnight).charge(7);
  t.same([...taken], [['2026-11-26 g', 7]]);
  await meet([grant('g')], midnight).charge(9);
  await meet([grant('g')], midnight).charge(2);
  t.same([...taken], [['2026-11-26 g', 9]], 'and the most that was due');
});

await t.test('gives back to the day and the grant that it took from, and never more', async (t) => {
  const { limits, taken } = rig();
  const { meet, giveUp } = createOccasion({ limits, secrets }, asker);
  await meet([grant('g'), grant('h')], before).charge(50);
  const next = meet([grant('g')], midnight);
  await next.charge(50);
  next.refund(20);
  t.same(Object.fromEntries(taken), { '2026-11-25 g': 50, '2026-11-25 h': 50, '2026-11-26 g': 30 });
  next.refund(1000);
  t.equal(taken.get('2026-11-26 g'), 0);
  giveUp();
  giveUp();
  t.same([...taken.values()], [0, 0, 0], 'all of it, of grants that are not needed any more as well');
});
