import type { KeyObject } from 'node:crypto';
import type { Dataset } from '../catalogue/catalogue.ts';
import type { RecordReader } from '../records/read.ts';
import type { RecordSearch } from '../records/search.ts';
import type { Occasion } from './day-limits.ts';
import type { Permission } from './decision.ts';
import type { NeededFields, Rights } from './rights.ts';
import type { Projections } from './projection.ts';
import type { BodyReader } from './request.ts';

/** A dataset with what reads and writes its records. */
export interface ServedDataset {
  dataset: Dataset;
  records: RecordReader;
  search: RecordSearch;
  /** Seals the cursors of searches. */
  cursorKey: KeyObject;
  project: Projections;
}

/** Whom a record is about, or names: an id of a dataset. */
export interface Subject {
  dataset: string;
  id: string;
  /** The consumer neither named the id nor is shown it: its own entry must not tell it either. */
  hidden?: boolean;
}

/** What is released of an exchange that may be answered. */
export interface Release {
  /** The answer's body; null where it is a problem, because there is no such record. */
  body: string | Buffer | null;
  /** How many records it tells of. */
  records: number;
  /** Everybody whom it tells of, or who was asked for, in the order asked. */
  subjects: readonly Subject[];
  /** What else the entry tells; nothing of any subject. */
  details?: Record<string, unknown>;
}

/** One way to ask for data: how its body is read, what it takes to be allowed, and what it answers. */
export interface ExchangeOperation<Body> {
  name: 'read' | 'batch' | 'verify' | 'search';
  /** Many subjects at once: few of these are in work at a time. */
  bulk: boolean;
  /** What it needs of a grant: that fields may be read, or that claims about them may be verified. */
  allows: 'read' | 'verify';
  readBody: BodyReader<Body>;
  /** The subjects that a request names, as far as they can be any; what a refusal's entry knows of them. */
  listSubjects(dataset: Dataset, body: Body): Promise<readonly Subject[]> | readonly Subject[];
  /** The fields that a body names, as sent; undefined when it names none. */
  listFields(body: Body): readonly string[] | undefined;
  /**
   * The fields that it would release, in the order asked, and those that it needs besides.
   *
   * @throws ProblemError that refuses the exchange
   */
  checkBody(rights: Rights, body: Body): NeededFields;
  /**
   * Reads the records and writes the answer.
   *
   * @throws ProblemError that refuses the exchange (below 500), or that the store is not available
   */
  release(served: ServedDataset, permission: Permission<Body>, occasion: Occasion): Promise<Release>;
}
