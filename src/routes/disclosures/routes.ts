import type { FastifyInstance } from 'fastify';
import { subjectRef } from '../../audit/subjects.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { rethrowAsStoreUnavailable } from '../../base/errors.ts';
import type { Dataset } from '../../catalogue/catalogue.ts';
import { checkId } from '../../exchange/rights.ts';
import { nameSubjects } from '../../exchange/write-entry.ts';
import type { Authority } from '../../grants/authority.ts';
import { readIndexCursor, sealCursor } from '../../http/cursor.ts';
import { createGate } from '../../http/gate.ts';
import { routeSchema } from '../../http/openapi.ts';
import { invalidBody } from '../../http/validation.ts';
import type { AccessToken } from '../../identity/access-token.ts';
import { assertionFaults, checkAssertion, type AssertionFault } from '../../identity/assertion.ts';
import { useAssertion } from '../../identity/identity-providers.ts';
import { answer } from '../answer.ts';
import type { RouteContext } from '../context.ts';
import { registerLook, type Found, type LookEntry } from '../look.ts';
import { findExchanges, presentDisclosure, readDepartmentTitles, type Disclosure } from './disclosures.ts';
import { disclosuresBodySchema, disclosuresOperation } from './documents.ts';

interface DisclosuresBody {
  dataset: string;
  id: string;
  assertion?: string;
  after?: string | null;
  limit?: number;
}

/** What is asked, once it is well formed. */
interface Asked {
  dataset: Dataset;
  id: string;
  refs: string[];
  assertion: string | undefined;
  limit: number;
  before: number | null;
  cursorScope: string;
}

/** On whose word the subject is there, as the entry tells it. */
type LoginProof = { assertion: 'portal' } | { assertion: 'proven'; identity_provider: string };

const defaultLimit = 50;
/** Looks at a time: their statements would keep those of all other looks into the log waiting. */
const maxLooks = 8;

/** The route by which a portal shows subjects who asked for their data. Each look is an entry, before it is answered. */
export function registerDisclosureRoutes(scope: FastifyInstance, context: RouteContext): void {
  const { secrets, now } = context;

  registerLook<{ Body: DisclosuresBody }>(scope, context, {
    method: 'POST',
    url: '/v1/disclosures',
    scopes: ['disclose'],
    gate: createGate(maxLooks),
    schema: routeSchema(disclosuresOperation, { body: disclosuresBodySchema }),
    async find(request, { token, authority }, reply) {
      const asked = readAsked(context, request.body, token);
      const login = createLogin(context, asked);
      const entry = await subjectEntry(context, request.id, asked);

      async function findUnder(current: Authority): Promise<Found> {
        const proof = await login(current);
        if (typeof proof === 'string') return refusedLogin(entry, token, proof);
        const { shown, withheld, next } = await findShown(context, asked, current);
        const details = { department: token.department, ...proof, shown: shown.length, withheld };
        return {
          entry: { ...entry, records: shown.length, details },
          again: findUnder,
          answer: () =>
            answer(reply, {
              items: shown,
              next:
                next === null ? null : sealCursor(secrets.cursorKey, asked.cursorScope, String(next), now()),
            }),
        };
      }
      return findUnder(authority);
    },
  });
}

/** The look of a subject whose login is not proven: it is an entry, and refused. */
function refusedLogin(entry: LookEntry, { department }: AccessToken, fault: AssertionFault): Found {
  return {
    entry: {
      ...entry,
      outcome: 'refused',
      code: 'invalid-request',
      details: { department, assertion: fault },
    },
    answer: () => Promise.reject(invalidBody('#/assertion', assertionFaults[fault])),
  };
}

/** Finds a page of the subject's disclosures, as they are shown. @throws ProblemError store-unavailable */
async function findShown(
  { searches, catalogue, now }: RouteContext,
  asked: Asked,
  { purposes }: Authority,
): Promise<{ shown: Disclosure[]; withheld: number; next: number | null }> {
  const subject = { dataset: asked.dataset.name, refs: asked.refs };
  const state = { purposes, now: now() };
  const found = await findExchanges(searches, subject, state, asked).catch(rethrowAsStoreUnavailable);
  const departments = await readDepartmentTitles(searches).catch(rethrowAsStoreUnavailable);
  const titles = { departments, purposes, catalogue };
  return { ...found, shown: found.shown.map((exchange) => presentDisclosure(exchange, titles)) };
}

/** Reads what is asked for. Takes attacker-controlled input. @throws ProblemError invalid-request, invalid-id */
function readAsked(
  { catalogue, secrets, now }: RouteContext,
  { dataset: name, id, assertion, after, limit = defaultLimit }: DisclosuresBody,
  token: AccessToken,
): Asked {
  const dataset = catalogue.findNewest(name);
  if (dataset === null) throw invalidBody('#/dataset', { en: 'is not a dataset', zh: '没有该数据集' });
  if (!dataset.mayHaveId(id)) checkId(dataset, id);
  const refs = [false, true].map((hidden) => subjectRef(secrets, dataset.name, id, hidden));
  const cursorScope = canonicalJson({ disclosures: refs, client: token.clientId });
  const before = readIndexCursor(secrets.cursorKey, cursorScope, after, now());
  return { dataset, id, refs, assertion, limit, before, cursorScope };
}

/** Proves the subject's login under an authority, as often as it is asked. @throws ProblemError store-unavailable */
type Login = (current: Authority) => Promise<LoginProof | AssertionFault>;

function createLogin(context: RouteContext, { assertion, dataset, id, before }: Asked): Login {
  const { searches, issuer, sandbox, now } = context;
  let unused = before === null;
  return async (current) => {
    if (assertion === undefined) return sandbox ? { assertion: 'portal' } : 'missing';
    const expected = { audience: issuer, subject: { dataset: dataset.name, id }, now: now() };
    const proven = await checkAssertion(current.identityProviders, assertion, expected);
    if (typeof proven === 'string') return proven;
    if (unused && !(await useAssertion(searches, proven).catch(rethrowAsStoreUnavailable))) return 'used';
    unused = false;
    return { assertion: 'proven', identity_provider: proven.issuer };
  };
}

/**
 * What every entry of such a look says of the subject. It has no consumer: departments find their own entries by that,
 * and what is withheld from the subject is not for the portal either.
 */
async function subjectEntry(
  context: RouteContext,
  requestId: string,
  { dataset, id }: Asked,
): Promise<LookEntry> {
  const known = await nameSubjects(context, [{ dataset: dataset.name, id }], requestId);
  return {
    operation: 'disclosure',
    consumer: undefined,
    dataset: dataset.name,
    subjects: known.refs,
    sealed: known.sealed,
    data_key: known.dataKeyId,
    subject_key: context.secrets.subjectKeyId,
  };
}
