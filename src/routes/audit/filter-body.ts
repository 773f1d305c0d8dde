import type { Catalogue } from '../../catalogue/catalogue.ts';
import { isCalendarDate, mayHoldId } from '../../catalogue/formats.ts';
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

/** Whoever asks, by the scopes of the token. */
interface Seer {
  scopes: readonly string[];
}

/** Makes a body's filter. @throws ProblemError invalid-request, invalid-id */
export type FilterReader = (body: FilterBody, token: Seer) => EntryFilter;

/** What reads filters: checks what a schema can't say, and hashes the subject, whose plain id goes no further. */
export function createFilterReader(catalogue: Catalogue, secrets: LogSecrets): FilterReader {
  /** Auditors find whoever is hidden from the consumer as well. */
  function refsOf(dataset: string, subject: string, token: Seer): string[] {
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

/** @throws ProblemError invalid-request when there is no such time */
export function readTime(pointer: string, value: string | undefined): Date | undefined {
  if (value === undefined) return undefined;
  const time = new Date(value);
  if (!Number.isNaN(time.getTime()) && isCalendarDate(value.slice(0, 10))) return time;
  throw invalidBody(pointer, { en: 'is not a time that exists', zh: '不是有效的时间' });
}

/**
 * The filter as the query's own entry has it: without a plain id. What was typed as an official, case or trace and holds
 * what may be somebody's id is told as a keyed hash.
 */
export function describeFilter(filter: EntryFilter, secrets: LogSecrets): Record<string, unknown> {
  const tell = (member: string, text: string | undefined): string | undefined =>
    text !== undefined && mayHoldId(text) ? `hash:${subjectRef(secrets, member, text)}` : text;
  return {
    consumer: filter.consumer,
    provider: filter.provider,
    dataset: filter.dataset ?? filter.subjectDataset,
    purpose: filter.purpose,
    outcome: filter.outcome,
    official: tell('official', filter.official),
    case: tell('case', filter.caseNo),
    kind: filter.kind,
    trace_id: tell('trace', filter.traceId),
    subject: filter.subjectRefs?.[0],
    from: filter.from?.toISOString(),
    to: filter.to?.toISOString(),
  };
}
