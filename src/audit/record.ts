import { isDatabaseError } from '../base/database-error.ts';
import { ProblemError } from '../base/errors.ts';
import type { Appender } from './append.ts';
import type { Leaf } from './entry.ts';

/** An entry's place in the log. */
export interface Recorded {
  index: number;
  leaf: Leaf;
}

/** How often, and until when, a decision is made again because who-may-see-what changed under it. */
const maxAttempts = 10;
const maxMs = 15_000;

/**
 * Makes something and its entry under one authority, and enters it under the same; when the authority changed
 * meanwhile, all of it is made again.
 *
 * @param make must have no effect beyond what it returns; may be called several times
 * @throws ProblemError audit-unavailable when the entry is not durable
 */
export async function recordUnderAuthority<A extends { version: number }, T>(
  log: Appender,
  view: { current(): A; refresh(): Promise<void> },
  make: (authority: A) => Promise<{ leaf: Leaf; result: T }>,
): Promise<Recorded & { result: T }> {
  const untilMs = performance.now() + maxMs;
  for (let attempt = 0; attempt < maxAttempts && performance.now() < untilMs; attempt++) {
    const authority = view.current();
    const { leaf, result } = await make(authority);
    const index = await log.append(leaf, authority.version);
    if (index !== null) return { index, leaf, result };
    await view.refresh().catch((error: unknown) => {
      throw isDatabaseError(error) ? new ProblemError('audit-unavailable', {}, { cause: error }) : error;
    });
  }
  throw new ProblemError('audit-unavailable');
}
