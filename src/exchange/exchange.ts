import type { Appender } from '../audit/append.ts';
import { commitToBody, encodeEntry, subjectRef, type Entry, type LogSecrets } from '../audit/entry.ts';
import { recordUnderAuthority, type Recorded } from '../audit/record.ts';
import type { Sealer } from '../audit/seal.ts';
import type { Dataset } from '../catalogue/catalogue.ts';
import { Problem } from '../errors.ts';
import type { Authority, AuthorityView } from '../grants/authority.ts';
import type { Limits } from '../grants/limits.ts';
import { challenge, requireLiveClient, type AccessToken } from '../identity/access-token.ts';
import { decide, type Decision, type Permission } from './decision.ts';
import { newOccasion, type Occasion } from './occasion.ts';
import type { Operation, Release, ServedDataset, Subject } from './operation.ts';
import type { DataRequest } from './request.ts';
import { inSlices, sliceSize } from './slices.ts';

/** What an exchange needs of the gateway. */
export interface ExchangeContext {
  authority: AuthorityView;
  log: Appender;
  secrets: LogSecrets;
  sealer: Sealer;
  limits: Limits;
  now: () => Date;
}

/** One data request whose token was verified: here an exchange begins. */
export interface Incoming<Body> {
  id: string;
  token: AccessToken;
  operation: Operation<Body>;
  request: DataRequest<Body>;
}

/** What an exchange came to, before it is on the record. */
type Outcome<Body> =
  | { kind: 'released'; decision: Permission<Body>; release: Release; body: string | Buffer }
  | { kind: 'absent'; decision: Permission<Body>; release: Release; body: string | Buffer | null }
  | { kind: 'refused'; problem: Problem; subjects: readonly Subject[] };

/** What is answered once the entry is durable. */
export type Answer = {
  outcome: 'released' | 'absent' | 'refused';
  headers: Record<string, string>;
} & ({ body: string | Buffer } | { problem: Problem });

/**
 * One exchange: decide → read → record → answer. Whatever it comes to is in the audit log before this resolves.
 *
 * @throws Problem token-invalid when the client is no longer one; store-unavailable, audit-unavailable, overloaded
 */
export async function exchange<Body>(
  context: ExchangeContext,
  served: ServedDataset,
  incoming: Incoming<Body>,
): Promise<Answer> {
  const { dataset } = served;
  const occasion = newOccasion(context, incoming.token);
  const recorded = await recordUnderAuthority(context.log, context.authority, async (authority) => {
    requireLiveClient(authority, incoming.token);
    const now = context.now();
    const decision = decideIncoming(authority, dataset, incoming, now);
    const outcome = decision.allowed
      ? await carryOut(decision, served, incoming, occasion(decision.limited, now))
      : await refuse(decision.problem, served, incoming);
    const subjects = outcome.kind === 'refused' ? outcome.subjects : outcome.release.subjects;
    const known = subjects.length === 0 ? null : await nameSubjects(context, subjects, incoming.id);
    const { entry, salt } = describe(context, dataset, incoming, { authority, now, known }, outcome);
    return { leaf: encodeEntry(entry), result: { outcome, salt } };
  });
  return answer(dataset, recorded, recorded.result.outcome, recorded.result.salt);
}

/** The refusal of a token that may not ask for data. */
export function exchangeScopeMissing(): Problem {
  return new Problem(
    'scope-missing',
    { scope: 'exchange' },
    { headers: challenge('scope-missing', 'exchange'), explain: { rule: scopeRule } },
  );
}

const scopeRule = { en: 'the token must have the scope exchange', zh: '令牌必须具有 exchange 权限范围' };

function decideIncoming<Body>(
  authority: Authority,
  dataset: Dataset,
  { token, operation, request }: Incoming<Body>,
  now: Date,
): Decision<Body> {
  if (!token.scopes.includes('exchange')) return { allowed: false, problem: exchangeScopeMissing() };
  return decide(operation, { token, authority, dataset, request, now });
}

async function carryOut<Body>(
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
    if (error instanceof Problem && error.status < 500) return refuse(error, served, incoming);
    throw error;
  }
}

async function refuse<Body>(
  problem: Problem,
  { dataset }: ServedDataset,
  { operation, request }: Incoming<Body>,
): Promise<Outcome<Body>> {
  const subjects = request.body === null ? [] : await operation.listSubjects(dataset, request.body);
  return { kind: 'refused', problem, subjects };
}

/** Subjects as an entry has them. */
interface NamedSubjects {
  refs: string[];
  sealed: string;
  dataKeyId: string;
}

async function nameSubjects(
  { secrets, sealer }: ExchangeContext,
  subjects: readonly Subject[],
  entryId: string,
): Promise<NamedSubjects> {
  const refs: string[] = [];
  const name = (slice: readonly Subject[]): void => {
    for (const { dataset, id } of slice) refs.push(subjectRef(secrets, dataset, id));
  };
  if (subjects.length <= sliceSize) name(subjects);
  else await inSlices(subjects, name);
  const dataKey = await sealer.dataKey();
  return {
    refs,
    sealed: dataKey.seal(
      subjects.map(({ id }) => id),
      entryId,
    ),
    dataKeyId: dataKey.id,
  };
}

/** The exchange as its entry tells it: subjects hashed and sealed, the body bound but not stored. */
function describe<Body>(
  { secrets }: ExchangeContext,
  dataset: Dataset,
  { id, token, operation, request }: Incoming<Body>,
  state: { authority: Authority; now: Date; known: NamedSubjects | null },
  outcome: Outcome<Body>,
): { entry: Entry; salt: Buffer | null } {
  const { authority, now, known } = state;
  const refused = outcome.kind === 'refused';
  const binding = refused || outcome.body === null ? null : commitToBody(secrets, id, outcome.body);
  const purposeKnown = request.purpose !== null && authority.purposes.has(request.purpose);
  const asked = request.body === null ? undefined : operation.listFields(request.body);
  const knownAsked = asked?.filter((name) => dataset.fields.has(name));
  const fields = refused ? knownAsked && [...new Set(knownAsked)] : outcome.decision.fields;
  const entry: Entry = {
    kind: 'exchange',
    id,
    time: now,
    trace_id: request.traceId ?? undefined,
    consumer: token.department,
    client: token.clientId,
    official: request.official === null ? undefined : { id: request.official, proof: 'asserted' },
    provider: dataset.provider,
    dataset: dataset.name,
    version: dataset.version,
    operation: operation.name,
    purpose: purposeKnown ? request.purpose! : undefined,
    case: request.caseNumber ?? undefined,
    grants: refused ? undefined : [...outcome.decision.grants],
    fields: fields?.toSorted(),
    subjects: known?.refs,
    sealed: known?.sealed,
    data_key: known?.dataKeyId,
    subject_key: known === null ? undefined : secrets.subjectKeyId,
    outcome: outcome.kind,
    code: refused ? outcome.problem.code : undefined,
    records: refused ? undefined : outcome.release.records,
    body: binding?.commitment,
    details: refused ? undefined : outcome.release.details,
  };
  return { entry, salt: binding?.salt ?? null };
}

function answer<Body>(
  dataset: Dataset,
  { index, leaf }: Recorded,
  outcome: Outcome<Body>,
  salt: Buffer | null,
): Answer {
  const headers: Record<string, string> = {
    'exchange-entry': String(index),
    'exchange-leaf': leaf.hash.toString('base64'),
  };
  const { kind } = outcome;
  if (kind === 'refused') return { outcome: kind, headers, problem: outcome.problem };
  const { body, decision } = outcome;
  if (body === null)
    return { outcome: kind, headers, problem: new Problem('record-absent', { dataset: dataset.name }) };
  if (salt !== null) headers['exchange-salt'] = salt.toString('base64');
  if (decision.masked.length > 0) headers['exchange-masked'] = decision.masked.join(', ');
  return { outcome: kind, headers, body };
}
