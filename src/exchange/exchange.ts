import type { Appender } from '../audit/append.ts';
import { encodeEntry, type Leaf } from '../audit/entry.ts';
import { type LogSecrets } from '../audit/subjects.ts';
import { recordUnderAuthority, type Recorded } from '../audit/record.ts';
import type { Sealer } from '../audit/sealing/seal.ts';
import type { Dataset } from '../catalogue/catalogue.ts';
import { isRetired } from '../catalogue/retirement.ts';
import { ProblemError } from '../base/errors.ts';
import type { Authority, AuthorityView } from '../grants/authority.ts';
import type { Limits } from '../grants/limits.ts';
import { requireLiveClient, scopeMissing } from '../identity/access-token.ts';
import { decide, type Decision, type Permission } from './decision.ts';
import { describeExchange, nameSubjects, type Incoming, type Outcome, type Refused } from './write-entry.ts';
import { createOccasion, createRehearsedOccasion, type Occasion, type OccasionOf } from './day-limits.ts';
import type { ServedDataset } from './operation.ts';
import { invalidRequest } from './request.ts';
import type { IdRuns } from './id-runs.ts';

/** What an exchange needs of the gateway. */
export interface ExchangeContext {
  authority: AuthorityView;
  log: Appender;
  secrets: LogSecrets;
  sealer: Sealer;
  limits: Limits;
  idRuns: IdRuns;
  now: () => Date;
}

/** What is answered once the entry is durable. */
export type ExchangeAnswer = {
  outcome: 'released' | 'absent' | 'refused';
  headers: Record<string, string>;
} & ({ body: string | Buffer } | { problem: ProblemError });

/**
 * One exchange: decide → read → record → answer. Whatever it comes to is in the audit log before this resolves.
 *
 * @throws ProblemError token-invalid when the client is no longer one; store-unavailable, audit-unavailable, overloaded
 */
export async function exchange<Body>(
  context: ExchangeContext,
  served: ServedDataset,
  incoming: Incoming<Body>,
): Promise<ExchangeAnswer> {
  const occasion = createOccasion(context, incoming.token);
  const recorded = await recordUnderAuthority(context.log, context.authority, async (authority) => {
    requireLiveClient(authority, incoming.token);
    const { leaf, outcome, salt } = await make(context, served, incoming, authority, occasion.meet);
    // Of a thousand subjects, no more than the answer waits for the entry.
    return { leaf, result: prepareAnswer(served.dataset, outcome, salt) };
  }).catch((error: unknown) => {
    occasion.giveUp();
    throw error;
  });
  return withEntry(recorded.result, recorded);
}

/**
 * What an exchange would come to now, and the entry that it would leave. Nothing of the record is answered, nothing
 * is entered, and no limit of the day is touched: for the sandbox alone.
 *
 * @throws ProblemError as `exchange`
 */
export async function rehearse<Body>(
  context: ExchangeContext,
  served: ServedDataset,
  incoming: Incoming<Body>,
): Promise<{ decision: Decision<Body>; entry: unknown }> {
  const authority = context.authority.current();
  requireLiveClient(authority, incoming.token);
  const occasion = createRehearsedOccasion(context, incoming.token);
  const { decision, leaf } = await make(context, served, incoming, authority, occasion);
  return { decision, entry: JSON.parse(leaf.bytes.toString()) as unknown };
}

/** Decides, reads, and writes the entry down; nothing of it has an effect yet but what the day's limits count. */
async function make<Body>(
  context: ExchangeContext,
  served: ServedDataset,
  incoming: Incoming<Body>,
  authority: Authority,
  occasion: OccasionOf,
): Promise<{ decision: Decision<Body>; outcome: Outcome<Body>; leaf: Leaf; salt: Buffer | null }> {
  const now = context.now();
  const decision = decideIncoming(authority, served.dataset, incoming, now);
  const outcome = decision.allowed
    ? await runExchange(decision, served, incoming, occasion(decision.limited, now))
    : await answerRefusal(decision.problem, served, incoming);
  const state = { authority, now };
  const written = await writeDown(context, served, incoming, state, outcome);
  if (written !== null)
    return { decision: outcome.kind === 'refused' ? refusal(outcome) : decision, ...written };
  const tooLarge = await answerRefusal(entryTooLarge(), served, incoming);
  const refused = await writeDown(context, served, incoming, state, tooLarge);
  if (refused === null) throw new RangeError('not even the refusal fits an entry');
  return { decision: refusal(tooLarge), ...refused };
}

/** An outcome with its entry; null when that is larger than an entry may be. */
async function writeDown<Body>(
  context: ExchangeContext,
  { dataset }: ServedDataset,
  incoming: Incoming<Body>,
  state: { authority: Authority; now: Date },
  outcome: Outcome<Body>,
): Promise<{ outcome: Outcome<Body>; leaf: Leaf; salt: Buffer | null } | null> {
  const subjects = outcome.kind === 'refused' ? outcome.subjects : outcome.release.subjects;
  const known = subjects.length === 0 ? null : await nameSubjects(context, subjects, incoming.id);
  // A search names no ids: those that it finds are in order without any intent of the client.
  const names = incoming.operation.name !== 'search';
  const asked = subjects.filter((one) => names && one.dataset === dataset.name && one.hidden !== true);
  const run = context.idRuns.note(
    incoming.token.clientId,
    asked.map(({ id }) => id),
    dataset.checkCharacters,
  );
  const { entry, salt } = describeExchange(
    context.secrets,
    dataset,
    incoming,
    { ...state, known, run },
    outcome,
  );
  try {
    return { outcome, leaf: encodeEntry(entry), salt };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function refusal<Body>({ problem }: Refused): Decision<Body> {
  return { allowed: false, problem };
}

function entryTooLarge(): ProblemError {
  return invalidRequest({
    en: 'its entry in the audit log would be too large: ask for fewer at once',
    zh: '其审计日志条目将过大：请减少每次查询的数量',
  });
}

function decideIncoming<Body>(
  authority: Authority,
  dataset: Dataset,
  { token, operation, request }: Incoming<Body>,
  now: Date,
): Decision<Body> {
  if (!token.scopes.includes('exchange')) return { allowed: false, problem: scopeMissing('exchange') };
  if (isRetired(dataset.retirement, now)) return { allowed: false, problem: versionRetired(dataset) };
  return decide(operation, { token, authority, dataset, request, now });
}

function versionRetired({ name, version, retirement }: Dataset): ProblemError {
  const { sunset, successor } = retirement!;
  return new ProblemError('version-retired', {
    version: `v${version}`,
    dataset: name,
    sunset: sunset!,
    successor,
  });
}

async function runExchange<Body>(
  decision: Permission<Body>,
  served: ServedDataset,
  incoming: Incoming<Body>,
  occasion: Occasion,
): Promise<Outcome<Body>> {
  try {
    const release = await incoming.operation.release(served, decision, occasion);
    const { body, records } = release;
    if (body === null || records === 0) return { kind: 'absent', decision, release, body };
    return { kind: 'released', decision, release, body };
  } catch (error) {
    // What is wrong with the request is an exchange that was refused; what is wrong with the store is none.
    if (error instanceof ProblemError && error.status < 500) return answerRefusal(error, served, incoming);
    throw error;
  }
}

async function answerRefusal<Body>(
  problem: ProblemError,
  { dataset }: ServedDataset,
  { operation, request }: Incoming<Body>,
): Promise<Refused> {
  const subjects = request.body === null ? [] : await operation.listSubjects(dataset, request.body);
  return { kind: 'refused', problem, subjects };
}

function prepareAnswer<Body>(dataset: Dataset, outcome: Outcome<Body>, salt: Buffer | null): ExchangeAnswer {
  const headers: Record<string, string> = {};
  const { kind } = outcome;
  if (kind === 'refused') return { outcome: kind, headers, problem: outcome.problem };
  const { body, decision } = outcome;
  if (body === null)
    return { outcome: kind, headers, problem: new ProblemError('record-absent', { dataset: dataset.name }) };
  if (salt !== null) headers['exchange-salt'] = salt.toString('base64');
  if (decision.masked.length > 0) headers['exchange-masked'] = decision.masked.join(', ');
  return { outcome: kind, headers, body };
}

function withEntry(answer: ExchangeAnswer, { index, leaf }: Recorded): ExchangeAnswer {
  const entry = { 'exchange-entry': String(index), 'exchange-leaf': leaf.hash.toString('base64') };
  return { ...answer, headers: { ...entry, ...answer.headers } };
}
