import type { Appender } from '../audit/append.ts';
import { commitToBody, encodeEntry, subjectRef, type Entry, type LogSecrets } from '../audit/entry.ts';
import { recordUnderAuthority, type Recorded } from '../audit/record.ts';
import type { DataKey, Sealer } from '../audit/seal.ts';
import type { Dataset } from '../catalogue/catalogue.ts';
import { Problem } from '../errors.ts';
import type { Authority, AuthorityView } from '../grants/authority.ts';
import { challenge, requireLiveClient, type AccessToken } from '../identity/access-token.ts';
import type { RecordReader } from '../records/read.ts';
import { decideRead, type Decision, type Permission } from './decision.ts';
import type { Projection } from './projection.ts';
import type { DataRequest } from './request.ts';

/** What an exchange needs of the gateway. */
export interface ExchangeContext {
  authority: AuthorityView;
  log: Appender;
  secrets: LogSecrets;
  sealer: Sealer;
  now: () => Date;
}

/** A dataset with what reads and writes its records. */
export interface ServedDataset {
  dataset: Dataset;
  records: RecordReader;
  project: (fields: readonly string[], masked: readonly string[]) => Projection;
}

/** One data request whose token was verified: here an exchange begins. */
export interface Incoming {
  id: string;
  token: AccessToken;
  operation: 'read';
  request: DataRequest;
}

/** What an exchange came to, before it is on the record. */
type Outcome =
  | { kind: 'released'; decision: Permission; body: string }
  | { kind: 'absent'; decision: Permission; problem: Problem }
  | { kind: 'refused'; problem: Problem };

/** What is answered once the entry is durable. */
export type Answer = { headers: Record<string, string> } & ({ body: string } | { problem: Problem });

/**
 * One exchange: decide → read → record → answer. Whatever it comes to is in the audit log before this resolves.
 *
 * @throws Problem token-invalid when the client is no longer one; store-unavailable, audit-unavailable, overloaded
 */
export async function exchange(
  context: ExchangeContext,
  served: ServedDataset,
  incoming: Incoming,
): Promise<Answer & { outcome: Outcome['kind'] }> {
  const recorded = await recordUnderAuthority(context.log, context.authority, async (authority) => {
    requireLiveClient(authority, incoming.token);
    const now = context.now();
    const decision = decide(authority, served.dataset, incoming, now);
    const outcome = await release(decision, served);
    const subject =
      outcome.kind === 'refused' ? validId(served.dataset, incoming.request) : outcome.decision.id;
    const seal = subject === null ? null : { subject, dataKey: await context.sealer.dataKey() };
    const { entry, salt } = describe(context, served.dataset, incoming, { authority, now, seal }, outcome);
    return { leaf: encodeEntry(entry), result: { outcome, salt } };
  });
  return answer(recorded, recorded.result.outcome, recorded.result.salt);
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

function decide(authority: Authority, dataset: Dataset, incoming: Incoming, now: Date): Decision {
  const { token, request } = incoming;
  if (!token.scopes.includes('exchange')) return { allowed: false, problem: exchangeScopeMissing() };
  return decideRead({ token, authority, dataset, request, now });
}

async function release(decision: Decision, { dataset, records, project }: ServedDataset): Promise<Outcome> {
  if (!decision.allowed) return { kind: 'refused', problem: decision.problem };
  const record = await records.find(decision.id);
  if (record === null)
    return { kind: 'absent', decision, problem: new Problem('record-absent', { dataset: dataset.name }) };
  return { kind: 'released', decision, body: project(decision.fields, decision.masked)(record) };
}

/** The exchange as its entry tells it: subjects hashed and sealed, the body bound but not stored. */
function describe(
  { secrets }: ExchangeContext,
  dataset: Dataset,
  { id, token, operation, request }: Incoming,
  state: { authority: Authority; now: Date; seal: { subject: string; dataKey: DataKey } | null },
  outcome: Outcome,
): { entry: Entry; salt: Buffer | null } {
  const { authority, now, seal } = state;
  const refused = outcome.kind === 'refused';
  const binding = outcome.kind === 'released' ? commitToBody(secrets, id, outcome.body) : null;
  const purposeKnown = request.purpose !== null && authority.purposes.has(request.purpose);
  const asked = request.fields?.filter((name) => dataset.fields.has(name));
  const fields = refused ? asked && [...new Set(asked)] : outcome.decision.fields;
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
    operation,
    purpose: purposeKnown ? request.purpose! : undefined,
    case: request.caseNumber ?? undefined,
    grants: refused ? undefined : [...outcome.decision.grants],
    fields: fields?.toSorted(),
    subjects: seal === null ? undefined : [subjectRef(secrets, dataset.name, seal.subject)],
    sealed: seal?.dataKey.seal([seal.subject], id),
    data_key: seal?.dataKey.id,
    subject_key: seal === null ? undefined : secrets.subjectKeyId,
    outcome: outcome.kind,
    code: refused ? outcome.problem.code : undefined,
    records: refused ? undefined : Number(outcome.kind === 'released'),
    body: binding?.commitment,
  };
  return { entry, salt: binding?.salt ?? null };
}

/** The subject that a refused request named; null when it named none that there could be. */
function validId(dataset: Dataset, { id }: DataRequest): string | null {
  return id !== null && dataset.isValidId(id) ? id : null;
}

function answer(
  { index, leaf }: Recorded,
  outcome: Outcome,
  salt: Buffer | null,
): Answer & { outcome: Outcome['kind'] } {
  const headers: Record<string, string> = {
    'exchange-entry': String(index),
    'exchange-leaf': leaf.hash.toString('base64'),
  };
  if (outcome.kind !== 'released') return { outcome: outcome.kind, headers, problem: outcome.problem };
  if (salt !== null) headers['exchange-salt'] = salt.toString('base64');
  if (outcome.decision.masked.length > 0) headers['exchange-masked'] = outcome.decision.masked.join(', ');
  return { outcome: 'released', headers, body: outcome.body };
}
