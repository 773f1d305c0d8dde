import { type Entry } from '../audit/entry.ts';
import { commitToBody, subjectRef, type LogSecrets } from '../audit/subjects.ts';
import type { Sealer } from '../audit/sealing/seal.ts';
import type { Dataset } from '../catalogue/catalogue.ts';
import type { ProblemError } from '../base/errors.ts';
import type { Authority } from '../grants/authority.ts';
import type { AccessToken } from '../identity/access-token.ts';
import type { Permission } from './decision.ts';
import type { ExchangeOperation, Release, Subject } from './operation.ts';
import type { DataRequest } from './request.ts';
import { inSlices, sliceSize } from './in-slices.ts';

/** One data request whose token was verified: here an exchange begins. */
export interface Incoming<Body> {
  id: string;
  token: AccessToken;
  operation: ExchangeOperation<Body>;
  request: DataRequest<Body>;
}

/** An exchange that was refused, and whom it asked for as far as that is known. */
export interface Refused {
  kind: 'refused';
  problem: ProblemError;
  subjects: readonly Subject[];
}

/** What an exchange came to, before it is on the record. */
export type Outcome<Body> =
  | { kind: 'released'; decision: Permission<Body>; release: Release; body: string | Buffer }
  | { kind: 'absent'; decision: Permission<Body>; release: Release; body: string | Buffer | null }
  | Refused;

/** Subjects as an entry has them. */
interface NamedSubjects {
  refs: string[];
  sealed: string;
  dataKeyId: string;
}

/** Names subjects by their keyed hashes, and seals their ids to the audit office. */
export async function nameSubjects(
  { secrets, sealer }: { secrets: LogSecrets; sealer: Sealer },
  subjects: readonly Subject[],
  entryId: string,
): Promise<NamedSubjects> {
  const refs: string[] = [];
  const name = (slice: readonly Subject[]): void => {
    for (const { dataset, id, hidden } of slice) refs.push(subjectRef(secrets, dataset, id, hidden));
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
export function describeExchange<Body>(
  secrets: LogSecrets,
  dataset: Dataset,
  { id, token, operation, request }: Incoming<Body>,
  state: { authority: Authority; now: Date; known: NamedSubjects | null; run: number | null },
  outcome: Outcome<Body>,
): { entry: Entry; salt: Buffer | null } {
  const { authority, now, known, run } = state;
  const refused = outcome.kind === 'refused';
  const binding = refused || outcome.body === null ? null : commitToBody(secrets, id, outcome.body);
  const purposeKnown = request.purpose !== null && authority.purposes.has(request.purpose);
  const asked = request.body === null ? undefined : operation.listFields(request.body);
  const knownFields = asked?.filter((name) => dataset.fields.has(name));
  const fields = refused ? knownFields && [...new Set(knownFields)] : outcome.decision.fields;
  const details = refused ? undefined : outcome.release.details;
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
    details: run === null ? details : { ...details, run },
  };
  return { entry, salt: binding?.salt ?? null };
}
