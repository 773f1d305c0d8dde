import type { AccessToken } from '../../identity/access-token.ts';
import { readTime } from '../read-time.ts';
import type { Catalogue } from '../../catalogue/catalogue.ts';
import { mayHoldId } from '../../catalogue/formats.ts';
import { ProblemError } from '../../base/errors.ts';
import { isCleanText } from '../../http/headers.ts';
import { invalidBody } from '../../http/validation.ts';
import { subjectRef, type LogSecrets } from '../../audit/subjects.ts';
import type { EntryFilter } from '../../audit/search/filter.ts';

/** The filters of a search, a summary or an export, as a body has them. */
export interface FilterBody {
  consumer?: string;
  provider?: string;
  dataset?: string;
  purpose?: string;
  outcome?: string;
  official?: string;
  case?: string;
  kind?: string;
  trace_id?: string;
  subject?: string;
  from?: string;
  to?: string;
}

/** What filters are read with. */
interface FilterContext {
  catalogue: Catalogue;
  secrets: LogSecrets;
}

/** Makes a body's filter. @throws ProblemError invalid-request, invalid-id */
export type FilterReader = (body: FilterBody, token: Pick<AccessToken, 'scopes'>) => EntryFilter;

/** What reads filters: checks what a schema can't say, and hashes the subject, whose plain id goes no further. */
export function createFilterReader({ catalogue, secrets }: FilterContext): FilterReader {
  /** Auditors also find subjects that the answer hid from the consumer. */
  function refsOf(dataset: string, subject: string, token: Pick<AccessToken, 'scopes'>): string[] {
    const kinds = token.scopes.includes('audit') ? [false, true] : [false];
    return kinds.map((hidden) => subjectRef(secrets, dataset, subject, hidden));
  }

  return function readFilter(body, token) {
    const { subject, from, to, dataset } = body;
    const known = dataset === undefined ? null : catalogue.findNewest(dataset);
    if (subject !== undefined && known === null)
      throw invalidBody('#/dataset', {
        en: 'must name the dataset of the subject',
        zh: '按 subject 查询时必须给出其数据集',
      });
    if (subject !== undefined && !known!.mayHaveId(subject))
      throw new ProblemError('invalid-id', { format: known!.fields.get(known!.key)!.schema.format ?? 'id' });
    for (const member of ['official', 'case'] as const)
      if (!isCleanText(body[member] ?? ''))
        throw invalidBody(`#/${member}`, {
          en: 'must be Unicode text without control characters',
          zh: '必须是不含控制字符的 Unicode 文本',
        });
    return {
      consumer: body.consumer,
      provider: body.provider,
      purpose: body.purpose,
      outcome: body.outcome,
      official: body.official,
      caseNo: body.case,
      kind: body.kind,
      traceId: body.trace_id,
      ...(subject === undefined ? { dataset } : { subjectDataset: dataset }),
      subjectRefs: subject === undefined ? undefined : refsOf(known!.name, subject, token),
      from: readTime('#/from', from),
      to: readTime('#/to', to),
    };
  };
}

/**
 * A filter as the look's own entry holds it: without a plain id. An official, a case or a trace that may be an id of a
 * person becomes a keyed hash. Where a subject is looked for, the entry names the key of its hash.
 */
export function filterDetails(
  filter: EntryFilter,
  secrets: LogSecrets,
): { subject_key: string | undefined; details: Record<string, unknown> } {
  const text = (member: string, value: string | undefined): string | undefined =>
    value !== undefined && mayHoldId(value) ? `hash:${subjectRef(secrets, member, value)}` : value;
  const details = {
    consumer: filter.consumer,
    provider: filter.provider,
    dataset: filter.dataset ?? filter.subjectDataset,
    purpose: filter.purpose,
    outcome: filter.outcome,
    official: text('official', filter.official),
    case: text('case', filter.caseNo),
    kind: filter.kind,
    trace_id: text('trace', filter.traceId),
    subject: filter.subjectRefs?.[0],
    from: filter.from?.toISOString(),
    to: filter.to?.toISOString(),
  };
  return { subject_key: filter.subjectRefs === undefined ? undefined : secrets.subjectKeyId, details };
}
